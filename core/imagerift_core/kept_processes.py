"""Processes that read pictures, each kept for a few seconds for one workspace's next ones."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from imagerift_contract.picture_processes.client import (
    PictureProcesses,
    StayingProcess,
    file_of,
)
from imagerift_contract.picture_processes.limits import Limits

# From its start on: its limits of CPU and time are for all that it reads.
KEPT_SECONDS = 4.0
_KEPT_AT_ONCE = 4


@dataclass(frozen=True)
class _Idle:
    workspace: str
    retirement: asyncio.TimerHandle


class KeptProcesses:
    """Starts processes by a forkserver that has `work` imported, and keeps some of them."""

    def __init__(self, work: str, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._processes = PictureProcesses(work)
        self._thread = ThreadPoolExecutor(1, "pictures")
        self._idle: dict[StayingProcess, _Idle] = {}

    def take(self, workspace: str) -> StayingProcess | None:
        """One that was kept for the workspace. Whoever has taken it keeps or closes it."""
        for process, idle in self._idle.items():
            if idle.workspace == workspace:
                idle.retirement.cancel()
                del self._idle[process]
                return process
        return None

    def keep(self, process: StayingProcess, workspace: str) -> None:
        """For the next pictures of the same workspace, or closes it where it is too old."""
        left = process.began + self._kept_seconds - time.monotonic()
        if left <= 0:
            process.close()
            return
        retirement = asyncio.get_running_loop().call_later(left, self._retire, process)
        self._idle[process] = _Idle(workspace, retirement)
        if len(self._idle) > _KEPT_AT_ONCE:
            self._retire(next(iter(self._idle)))

    def _retire(self, process: StayingProcess) -> None:
        self._idle.pop(process).retirement.cancel()
        process.close()

    async def read(
        self,
        kept: StayingProcess | None,
        data: bytes,
        arguments: dict[str, Any],
        limits: Limits,
    ) -> tuple[StayingProcess, dict[str, Any]]:
        """What the process tells of the picture, and the process, which the caller keeps or closes.

        A new one is started where none was kept. Raises `NotRead` or `Raised`, or is canceled: then
        the process is at its end.
        """
        # It copies the picture, and starts the forkserver where there is none.
        loop = asyncio.get_running_loop()
        begun = loop.run_in_executor(self._thread, self._begin, data, limits, kept)
        try:
            process, source = await asyncio.shield(begun)
        except BaseException:
            begun.add_done_callback(_abandon)
            if kept is not None:
                kept.close()
            raise
        try:
            try:
                process.ask(source, arguments)
            finally:
                os.close(source)
            return process, await _answer_of(process)
        except BaseException:
            process.close()
            raise

    def _begin(
        self, data: bytes, limits: Limits, kept: StayingProcess | None
    ) -> tuple[StayingProcess, int]:
        source = file_of(data)
        try:
            return kept or self._processes.stay(limits), source
        except BaseException:
            os.close(source)
            raise

    async def close(self) -> None:
        """Ends the processes."""
        for process in list(self._idle):
            self._retire(process)
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._processes.close)


def _abandon(begun: asyncio.Future[tuple[StayingProcess, int]]) -> None:
    if not begun.cancelled() and begun.exception() is None:
        process, source = begun.result()
        process.close()
        os.close(source)


async def _answer_of(process: StayingProcess) -> dict[str, Any]:
    await _readable(process.questions.fileno(), process.end.fileno())
    answer = process.heard()
    if answer is not None:
        return answer
    # It has gone, or pretends to: only the forkserver knows how.
    await _readable(process.end.fileno())
    raise process.why_it_ended()


async def _readable(*handles: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    for handle in handles:
        loop.add_reader(handle, readable.set)
    try:
        await readable.wait()
    finally:
        for handle in handles:
            loop.remove_reader(handle)
