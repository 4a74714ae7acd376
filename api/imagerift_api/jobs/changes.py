"""Wakes whoever follows a job: one change stream a replica, open while anybody follows one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.job_changes import JobChangeStream

_PAUSE_SECONDS = 1.0
_log = structlog.get_logger()


class JobChanges:
    def __init__(self, stream: JobChangeStream) -> None:
        self._changes = stream
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._stream: asyncio.Task[None] | None = None

    @contextmanager
    def follow(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job may have changed."""
        changed = asyncio.Event()
        self._followers[job_id].add(changed)
        if self._stream is None:
            self._stream = asyncio.create_task(self._run())
        try:
            yield changed
        finally:
            self._followers[job_id].discard(changed)
            if not self._followers[job_id]:
                del self._followers[job_id]
            if not self._followers and self._stream is not None:
                self._stream.cancel()
                self._stream = None

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except CapacityUnavailable as error:
                _log.warning("change_stream_lost", exc_info=error)
            except Exception as error:  # noqa: BLE001 - followers depend on it for their lives
                _log.error("change_stream_broke", exc_info=error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self) -> None:
        async with self._changes.open() as changes:
            # Whatever happened before it was open was not told.
            for job_id in list(self._followers):
                self._wake(job_id)
            async for job_id in changes:
                self._wake(job_id)

    def _wake(self, job_id: str) -> None:
        for changed in self._followers.get(job_id, ()):
            changed.set()
