"""Reads request bodies within bounds: of one body, of all at once, and of time."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import HttpVersion11, hdrs, web
from imagerift_core.errors import CapacityUnavailable, InvalidRequest, PayloadTooLarge

from imagerift_api.http.problems import RequestTimedOut

# 20 MiB of image are 26.7 MiB of base64; the rest is room for the other fields.
MAX_BODY_BYTES = 28 * 1024 * 1024
_SMALL_BODY_BYTES = 1024 * 1024
_BUDGET_BYTES = 128 * 1024 * 1024
_WAIT_SECONDS = 20
_READ_SECONDS = 60


class BodyBudget:
    """How many bytes of large bodies may be in memory at once; who comes later waits.

    Nothing of a waiting body is read, so its sender is slowed down by TCP. Small bodies do
    not wait.
    """

    def __init__(self, capacity: int = _BUDGET_BYTES) -> None:
        self._free = capacity
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def acquire(self, request: web.BaseRequest) -> AsyncIterator[None]:
        """Raises `PayloadTooLarge` for a declared length over the limit, `CapacityUnavailable`
        where no room came free in time."""
        size = request.content_length
        if size is not None and size > MAX_BODY_BYTES:
            raise _too_large()
        weight = MAX_BODY_BYTES if size is None else size
        if weight <= _SMALL_BODY_BYTES:
            yield
            return
        await self._take(weight)
        try:
            yield
        finally:
            async with self._changed:
                self._free += weight
                self._changed.notify_all()

    async def _take(self, weight: int) -> None:
        try:
            async with asyncio.timeout(_WAIT_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self._free >= weight)
                self._free -= weight
        except TimeoutError:
            raise CapacityUnavailable("Too many large requests are being read.") from None


BODY_BUDGET = web.AppKey("body_budget", BodyBudget)


async def leave_continue_for_later(request: web.Request) -> None:
    """An `Expect` handler that does not invite the body: `read_json` does, once it is wanted.

    So a client that asks first is refused before it sent a byte.
    """
    if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
        raise web.HTTPExpectationFailed


async def read_json(request: web.Request) -> Any:
    """The body, parsed. Raises `PayloadTooLarge`, `RequestTimedOut` or `InvalidRequest`."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if encoding.lower() != "identity":
        raise InvalidRequest("Content-Encoding is not supported: send the body as it is.")
    if hdrs.EXPECT in request.headers and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The framework decides by this count whether an answer has begun; none has.
        request.writer.output_size = 0
    try:
        async with asyncio.timeout(_READ_SECONDS):
            body = await _read(request)
    except TimeoutError:
        raise RequestTimedOut(f"The body did not arrive within {_READ_SECONDS} s.") from None
    try:
        return orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON (line {error.lineno}, column {error.colno})."
        ) from None


async def _read(request: web.Request) -> bytearray:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
    return body


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body may have at most {MAX_BODY_BYTES} bytes (28 MiB), "
        "which holds an image of 20 MiB in base64."
    )
