"""Reads request bodies within bounds: of one body, of all at once, and of time."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import HttpVersion11, hdrs, web
from imagerift_core.errors import CapacityUnavailable, InvalidRequest, PayloadTooLarge

from imagerift_api.http.problems import RequestTimedOut

# 20 MiB of image are 26.7 MiB of base64; the rest is room for the other fields.
MAX_BODY_BYTES = 28 * 1024 * 1024
# What an operation takes whose body holds no picture; such bodies wait for nobody.
SMALL_BODY_BYTES = 1024 * 1024
_BUDGET_BYTES = 128 * 1024 * 1024
# One workspace's part: a large body and a little, so that four stalled senders are four workspaces.
_SHARE_BYTES = 32 * 1024 * 1024
_WAIT_SECONDS = 20
_READ_SECONDS = 60
# Whoever holds a part of the budget has to send: after the first seconds, at least so fast.
_GRACE_SECONDS = 5
_MIN_BYTES_PER_SECOND = 32 * 1024


class BodyBudget:
    """How many bytes of large bodies may be in memory at once; who comes later waits.

    Of them `share` bytes are any one workspace's. Nothing of a waiting body is read, so its sender
    is slowed down by TCP. Small bodies do not wait.
    """

    def __init__(self, capacity: int = _BUDGET_BYTES, *, share: int = _SHARE_BYTES) -> None:
        self._free = capacity
        self._share = share
        self._held: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def acquire(
        self, request: web.BaseRequest, *, workspace: str, limit: int
    ) -> AsyncIterator[None]:
        """Raises `PayloadTooLarge` for a declared length over `limit`, `CapacityUnavailable`
        where no room came free in time."""
        weight = limit if request.content_length is None else request.content_length
        if weight > limit:
            raise _too_large(limit)
        if weight <= SMALL_BODY_BYTES:
            yield
            return
        await self._take(workspace, weight)
        try:
            yield
        finally:
            async with self._changed:
                self._free += weight
                self._held[workspace] -= weight
                self._held += Counter()
                self._changed.notify_all()

    async def _take(self, workspace: str, weight: int) -> None:
        def has_room() -> bool:
            return weight <= min(self._free, self._share - self._held[workspace])

        try:
            async with asyncio.timeout(_WAIT_SECONDS), self._changed:
                await self._changed.wait_for(has_room)
                self._free -= weight
                self._held[workspace] += weight
        except TimeoutError:
            raise CapacityUnavailable("Too many large requests are being read.") from None


BODY_BUDGET = web.AppKey("body_budget", BodyBudget)


async def leave_continue_for_later(request: web.Request) -> None:
    """An `Expect` handler that does not invite the body: `read_json` does, once it is wanted.

    So a client that asks first is refused before it sent a byte.
    """
    if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
        raise web.HTTPExpectationFailed


async def read_json(request: web.Request, *, limit: int) -> Any:
    """The body, parsed. Raises `PayloadTooLarge`, `RequestTimedOut` or `InvalidRequest`."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if encoding.lower() != "identity":
        raise InvalidRequest("Content-Encoding is not supported: send the body as it is.")
    if hdrs.EXPECT in request.headers and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The framework decides by this count whether an answer has begun; none has.
        request.writer.output_size = 0
    body = await _read(request, limit)
    try:
        return orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON (line {error.lineno}, column {error.colno})."
        ) from None


async def _read(request: web.Request, limit: int) -> bytearray:
    body = bytearray()
    began = asyncio.get_running_loop().time()
    is_large = limit > SMALL_BODY_BYTES and (request.content_length or limit) > SMALL_BODY_BYTES
    try:
        async with asyncio.timeout(_READ_SECONDS) as deadline:
            last = deadline.when() or began
            while True:
                if is_large:
                    due = began + _GRACE_SECONDS + len(body) / _MIN_BYTES_PER_SECOND
                    deadline.reschedule(min(last, due))
                chunk = await request.content.readany()
                if not chunk:
                    return body
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        slow = f", or came slower than {_MIN_BYTES_PER_SECOND} bytes a second" if is_large else ""
        raise RequestTimedOut(f"The body did not arrive within {_READ_SECONDS} s{slow}.") from None


def _too_large(limit: int) -> PayloadTooLarge:
    holds = ", which holds an image of 20 MiB in base64" if limit == MAX_BODY_BYTES else ""
    return PayloadTooLarge(
        f"The body may have at most {limit} bytes ({limit // 2**20} MiB){holds}."
    )
