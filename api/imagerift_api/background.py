"""Work that must go to its end although nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import structlog
from aiohttp import web
from imagerift_core.loops import Loops

Result = TypeVar("Result")
LOOPS = web.AppKey("loops", Loops)
_log = structlog.get_logger()


class Background:
    """Tasks of the process. They survive the request that began them, and end before it does."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Runs `work`; whoever holds the task may wait for it, and shield it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def spawn(self, name: str, work: Awaitable[object]) -> None:
        """Runs `work` on its own; a failure is logged and changes nothing else."""
        self.start(self._logged(name, work))

    async def drain(self, *, seconds: float) -> None:
        """Waits for every task, then cancels what is left."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _logged(self, name: str, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - repaired elsewhere; it must not go unseen
            _log.warning("background_work_failed", work=name, exc_info=error)
