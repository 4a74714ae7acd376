"""Calls of the one origin that the settings name, and of nothing else."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import aiohttp
from yarl import URL

from imagerift_vision.control import Guard
from imagerift_vision.engines.refusals import refusal, retry_after
from imagerift_vision.errors import VisionError

# How long a cancel or a deadline may go unnoticed.
LOOK_SECONDS = 0.05
CONNECT_SECONDS = 10.0
# What is left to do when a call is ended, such as telling the engine, may take so long.
GRACE_SECONDS = 6.0
# A Retry-After is waited for where it is this short, and so often; else the job is tried again.
LONGEST_PAUSE = 30.0
PAUSES = 2
CHUNK_BYTES = 256 * 1024
MOST_ERROR_BYTES = 1024 * 1024
MOST_JSON_BYTES = 8 * 1024 * 1024
# 4096 x 4096 pixels, three bytes each, and what a file has around them.
MOST_PICTURE_BYTES = 52 * 1024 * 1024

T = TypeVar("T")


class EngineClient:
    """Speaks to one engine, over connections of its own.

    No redirect is followed, no proxy is used, no cookie is kept: each could carry a picture or the
    credential to somebody else.
    """

    def __init__(self, origin: URL, credential: Path | None, private: Sequence[str]) -> None:
        """`private` is what no error may repeat, such as the prompt."""
        self._origin = origin
        self._credential = credential
        self._private = tuple(private)

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
            headers={"User-Agent": "imagerift", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._session.close()

    async def call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: Any = None,
        form: Callable[[], aiohttp.FormData] | None = None,
        most_bytes: int = MOST_JSON_BYTES,
    ) -> bytes:
        """The body of the engine's answer.

        Raises VisionError as `refusal` has it; `model_error` too for trouble on the way
        (retryable), and for an answer that is longer than `most_bytes`.
        """
        url = self._origin.with_path(path).with_query(query)
        for left in reversed(range(PAUSES + 1)):
            try:
                async with self._session.request(
                    method,
                    url,
                    json=document,
                    data=None if form is None else form(),
                    headers=self._headers(),
                    allow_redirects=False,
                ) as response:
                    if response.status == 200:
                        return await _body(response, most_bytes)
                    pause = retry_after(response.headers.get("Retry-After"))
                    told = await _start(response, MOST_ERROR_BYTES)
                    error = refusal(response.status, told, self._words_of_ours())
            except (aiohttp.ClientSSLError, ssl.SSLError):
                raise VisionError("model_error", "the engine's TLS cannot be trusted") from None
            except (aiohttp.ClientError, OSError, TimeoutError):
                raise _trouble() from None
            if not error.retryable or pause is None or pause > LONGEST_PAUSE or not left:
                raise error
            await asyncio.sleep(pause)
        raise _trouble()

    def _words_of_ours(self) -> tuple[str, ...]:
        token = self._token()
        return self._private if token is None else (*self._private, token)

    def _headers(self) -> dict[str, str]:
        token = self._token()
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def _token(self) -> str | None:
        """Read at each call: a Secret that is changed arrives as another file."""
        if self._credential is None:
            return None
        try:
            token = self._credential.read_text("ascii").strip()
        except (OSError, ValueError):
            token = ""
        if not token.isprintable() or not token or " " in token:
            raise VisionError("model_error", "the credential of the pool's engine cannot be read")
        return token


async def _body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise VisionError("model_error", "the engine's answer is encoded, which was not asked for")
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > most_bytes:
            most = most_bytes // 2**20
            raise VisionError("model_error", f"the engine's answer is over {most} MiB")
    return bytes(body)


async def _start(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """An answer's first bytes; the rest is not read."""
    start = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        start += chunk
        if len(start) >= most_bytes:
            break
    return bytes(start[:most_bytes])


def _trouble() -> VisionError:
    return VisionError(
        "model_error", "the engine could not be reached or broke off", retryable=True
    )


async def watched(work: Awaitable[T], guard: Guard) -> T:
    """What the work gives, which is canceled when the guard says so.

    Raises what either raises.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            guard.check()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
    return task.result()
