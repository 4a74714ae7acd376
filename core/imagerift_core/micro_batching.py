"""Calls that share their work: what comes while one group is being worked on forms the next.

Groups begin at some distance from each other, so that under load they are larger and cheaper;
a call that comes after a while of quiet waits for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Throttle:
    """Keeps what begins at least `pause` seconds apart: `wait`, then `begin`."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._began = float("-inf")

    async def wait(self) -> None:
        """Returns once the last `begin` is `pause` seconds ago."""
        left = self._began + self._pause - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    def begin(self) -> None:
        self._began = time.monotonic()


class MicroBatcher(Generic[Item, Outcome]):
    """Hands items to `work` in groups of at most `max_items`, one group at a time, in their order.

    Two groups begin at least `pause` seconds apart, but for full ones.

    `work` returns an outcome for each item, in the same order; one that is an exception is
    raised to its caller alone, and one that `work` raises to every caller of the group.
    A caller that is canceled takes its item back, unless the work on it has begun.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        max_items: int,
        pause: float = 0.0,
    ) -> None:
        self._work = work
        self._max_items = max_items
        self._throttle = Throttle(pause)
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Outcome:
        """Returns the outcome of `item`, or raises it where it is an exception."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await done

    async def _run(self) -> None:
        group: list[tuple[Item, asyncio.Future[Outcome]]] = []
        try:
            while self._waiting:
                if len(self._waiting) < self._max_items:
                    await self._throttle.wait()
                self._throttle.begin()
                group = self._next_group()
                if group:
                    await self._run_group(group)
        except asyncio.CancelledError:
            # The process is ending: nobody may be left waiting for good.
            for _, done in (*group, *self._waiting):
                done.cancel()
            self._waiting.clear()
            raise
        finally:
            self._runner = None

    def _next_group(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        group: list[tuple[Item, asyncio.Future[Outcome]]] = []
        while self._waiting and len(group) < self._max_items:
            item, done = self._waiting.popleft()
            if not done.done():
                group.append((item, done))
        return group

    async def _run_group(self, group: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = await self._work([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - raised to those who wait
            outcomes = [error] * len(group)
        for (_, done), outcome in zip(group, outcomes, strict=True):
            if done.done():
                continue
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)
