"""Work by turns of workspaces, in which what waits of one workspace shares a turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from imagerift_core.fair_turns import FairTurns

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(eq=False)
class _Asked(Generic[Item, Outcome]):
    item: Item
    outcome: asyncio.Future[Outcome]
    group: list[_Asked[Item, Outcome]] = field(default_factory=list)
    """With whom it is worked on, once that has begun."""
    work: asyncio.Task[None] | None = None


class SharedTurns(Generic[Item, Outcome]):
    """Hands items to `work` in groups of one workspace, `places` groups at once.

    `work` is told whose they are, and returns an outcome for each item, in the same order; one that
    is an exception is raised to its caller alone. A group whose callers have all gone away is
    canceled.
    """

    def __init__(
        self,
        places: int,
        work: Callable[[str, list[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        max_items: int,
    ) -> None:
        self._turns = FairTurns(places)
        self._work = work
        self._max_items = max_items
        self._waiting: dict[str, deque[_Asked[Item, Outcome]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, workspace: str, item: Item) -> Outcome:
        """Returns the outcome of `item`, or raises it where it is an exception."""
        asked: _Asked[Item, Outcome] = _Asked(item, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(workspace, deque()).append(asked)
        task = asyncio.create_task(self._take_turn(workspace))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asked.outcome
        finally:
            if asked.work is not None and all(one.outcome.done() for one in asked.group):
                asked.work.cancel()

    async def close(self) -> None:
        """Cancels all work, and whoever waits for it."""
        for task in self._tasks:
            task.cancel()
        for waiting in self._waiting.values():
            for asked in waiting:
                asked.outcome.cancel()
        self._waiting.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take_turn(self, workspace: str) -> None:
        async with self._turns.turn(workspace):
            group = self._next_group(workspace)
            if not group:
                # Others took it along.
                return
            for asked in group:
                asked.group, asked.work = group, asyncio.current_task()
            try:
                outcomes = await self._work(workspace, [asked.item for asked in group])
            except asyncio.CancelledError:
                for asked in group:
                    asked.outcome.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - raised to those who wait
                outcomes = [error] * len(group)
            for asked, outcome in zip(group, outcomes, strict=True):
                asked.work = None
                if asked.outcome.done():
                    continue
                if isinstance(outcome, Exception):
                    asked.outcome.set_exception(outcome)
                else:
                    asked.outcome.set_result(outcome)

    def _next_group(self, workspace: str) -> list[_Asked[Item, Outcome]]:
        waiting = self._waiting.get(workspace)
        group: list[_Asked[Item, Outcome]] = []
        while waiting and len(group) < self._max_items:
            asked = waiting.popleft()
            if not asked.outcome.done():
                group.append(asked)
        if not waiting:
            self._waiting.pop(workspace, None)
        return group
