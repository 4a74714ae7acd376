"""The model servers. No other module knows tritonclient."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import orjson
from pydantic import ValidationError
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.http.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from imagerift_core import telemetry
from imagerift_core.model_documents import ControlAnswer

# Without it aiohttp offers gzip and Triton compresses every answer.
_HEADERS = {"Accept-Encoding": "identity"}
# What a server says of a model that it has not loaded yet, or no longer.
_STILL_LOADING = ("unknown model", "is not ready", "no available versions")
_QUICK_SECONDS = 5
_MAX_CONNECTIONS = 256
_LONGEST_CALL_SECONDS = 2 * 3600


class TritonUnavailable(Exception):
    """The server did not answer. Where `sent` is true, it may have done work."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class TritonRefused(Exception):
    """The server answered that it cannot run this call. The text is for operators' logs only."""


class ModelServer:
    """One Triton replica at its own address."""

    def __init__(
        self, client: InferenceServerClient, address: str, token: str | None = None
    ) -> None:
        self._client = client
        self.address = address
        self._headers = _HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})

    async def call(
        self, model: str, request: dict[str, Any], *, timeout_seconds: float
    ) -> dict[str, Any]:
        """Runs an entry model: a JSON request in, its JSON result out.

        The trace context goes along both ways: as a header for the server's own spans, and in
        the request for those of the model.

        Raises `TritonUnavailable` where the server is away or silent past the timeout, and
        `TritonRefused` where it answers with an error of its own.
        """
        with telemetry.span(
            f"triton {model}",
            kind=telemetry.SpanKind.CLIENT,
            attributes={"server.address": self.address, "imagerift.model": model},
        ):
            request = request | {"traceparent": telemetry.current_traceparent()}
            return await self._exchange(model, "REQUEST", request, timeout_seconds)

    async def cancel(self, attempt_id: str) -> None:
        """Flags the attempt on this replica; its models stop at their next check."""
        await self._exchange("control", "COMMAND", {"cancel": attempt_id}, _QUICK_SECONDS)

    async def abilities(self) -> dict[str, Any] | None:
        """What the server's own `control` says of each of its modes, by name.

        None where it says nothing of them: another's, or an older one. Raises `TritonUnavailable`.
        """
        try:
            told = await self._exchange("control", "COMMAND", {"describe": True}, _QUICK_SECONDS)
        except TritonRefused:
            return None
        modes = told.get("modes") if isinstance(told, dict) else None
        return modes if isinstance(modes, dict) else None

    async def progress(self, attempt_ids: Sequence[str]) -> ControlAnswer:
        """How far those of the attempts are that run on this replica.

        Raises `TritonUnavailable`, or `TritonRefused` also for an answer that breaks the contract.
        """
        asked = {"progress": list(attempt_ids)}
        answer = await self._exchange("control", "COMMAND", asked, _QUICK_SECONDS)
        try:
            return ControlAnswer.model_validate(answer)
        except ValidationError as error:
            raise TritonRefused("model 'control' breaks the contract") from error

    async def ready_models(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are loaded and ready; none while the server is away.

        Asked one by one, so that the server's repository API can stay closed.
        """
        ready = []
        try:
            async with asyncio.timeout(_QUICK_SECONDS):
                for name in names:
                    if await self._client.is_model_ready(name, headers=dict(self._headers)):
                        ready.append(name)
        except (aiohttp.ClientError, InferenceServerException, OSError, TimeoutError):
            return []
        return sorted(ready)

    async def _exchange(
        self, model: str, name: str, payload: dict[str, Any], timeout_seconds: float
    ) -> dict[str, Any]:
        tensor = InferInput(name, [1], "BYTES")
        parent = telemetry.current_traceparent()
        tensor.set_data_from_numpy(np.array([orjson.dumps(payload)], dtype=np.object_))
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await self._client.infer(
                    model,
                    [tensor],
                    outputs=[InferRequestedOutput("RESULT")],
                    headers=self._headers | ({"traceparent": parent} if parent else {}),
                )
        except InferenceServerException as error:
            text = error.message()
            if any(sign in text for sign in _STILL_LOADING):
                raise TritonUnavailable("the model is not loaded", sent=False) from error
            raise TritonRefused(text) from error
        except aiohttp.ClientConnectorError as error:
            raise TritonUnavailable(type(error).__name__, sent=False) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TritonUnavailable(type(error).__name__, sent=True) from error
        result = answer.as_numpy("RESULT")
        if result is None:
            raise TritonRefused(f"model '{model}' gave no RESULT")
        decoded: dict[str, Any] = orjson.loads(result[0])
        return decoded


@asynccontextmanager
async def connect_triton(
    endpoint: str, *, token: str | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ModelServer]:
    """A client of the replica at `endpoint`, such as `http://10.0.0.7:8000`.

    The replica is told the token. An https endpoint is believed by `tls`, or as the system does.
    """
    address = urlsplit(endpoint)
    async with InferenceServerClient(
        address.netloc,
        ssl=address.scheme == "https",
        ssl_context=tls or True,
        conn_limit=_MAX_CONNECTIONS,
        conn_timeout=_LONGEST_CALL_SECONDS,
    ) as client:
        yield ModelServer(client, address.netloc, token)
