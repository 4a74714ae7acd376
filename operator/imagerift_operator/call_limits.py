"""When a call of a model server is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CallLimit:
    """The time of one call: longer by what it waits for its model, up to what it may wait."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None
        self._spare = 0.0

    @asynccontextmanager
    async def within(self, seconds: float, *, spare: float) -> AsyncIterator[None]:
        """Raises `TimeoutError` where the block takes longer."""
        self._spare = spare
        try:
            async with asyncio.timeout(seconds) as self._timeout:
                yield
        finally:
            self._timeout = None

    def waited(self, seconds: float) -> None:
        """Gives the call the time again that it has waited."""
        given = min(seconds, self._spare)
        timeout = self._timeout
        if timeout is None or timeout.expired():
            return
        until = timeout.when()
        if until is not None:
            self._spare -= given
            timeout.reschedule(until + given)
