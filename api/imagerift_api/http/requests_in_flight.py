"""Requests in flight, so that a stop can wait for them.

The framework's own stop drops what still arrives on open connections, so a body on its way
would never be complete. Hence: stop listening, wait here, and only then close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


class RequestsInFlight:
    def __init__(self) -> None:
        self.draining = False
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextmanager
    def track(self) -> Iterator[None]:
        self._in_flight += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._quiet.set()

    async def drain(self, *, seconds: float) -> bool:
        """Waits until nothing is in flight; from now on answers close their connection.

        False where something still is after `seconds`.
        """
        self.draining = True
        try:
            await asyncio.wait_for(self._quiet.wait(), seconds)
        except TimeoutError:
            return False
        return True


REQUESTS_IN_FLIGHT = web.AppKey("requests_in_flight", RequestsInFlight)
