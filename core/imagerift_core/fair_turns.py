"""Places that many want at once, given out by turns of whom they are for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class FairTurns:
    """`places` at once. Who waits is taken in turns of their workspaces, and first come first
    within one, so that however many of one wait, another's next waits for one of them at most."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, workspace: str) -> AsyncIterator[None]:
        """Holds a place for as long as the context is open."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(workspace)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, workspace: str) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(workspace, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                # It was given the place in the moment in which it was canceled.
                self._pass_on()
            else:
                self._forget(workspace, place)
            raise

    def _forget(self, workspace: str, place: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(workspace)
        if waiting is None:
            return
        with suppress(ValueError):
            waiting.remove(place)
        if not waiting:
            del self._waiting[workspace]

    def _pass_on(self) -> None:
        while self._waiting:
            workspace, waiting = self._waiting.popitem(last=False)
            place = waiting.popleft()
            if waiting:
                # Behind all others.
                self._waiting[workspace] = waiting
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
