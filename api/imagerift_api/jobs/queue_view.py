"""Where jobs wait and how far they are, as the shard's scheduler last wrote it down."""

from __future__ import annotations

import asyncio
import time

import structlog
from imagerift_core import clock
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo.scheduler_snapshot import (
    JobProgress,
    QueuePosition,
    SchedulerSnapshot,
    SnapshotStore,
)

_FRESH_SECONDS = 1.0
_log = structlog.get_logger()


class QueueView:
    """The snapshot, read at most once a second whatever the number of polls."""

    def __init__(self, snapshots: SnapshotStore, shard: str) -> None:
        self._snapshots = snapshots
        self._shard = shard
        self._snapshot: SchedulerSnapshot | None = None
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def position_of(self, record: JobRecord) -> QueuePosition | None:
        """The position of a queued job; None where it is not known, which is no error."""
        if record.status is not Status.QUEUED:
            return None
        snapshot = await self._current()
        return snapshot.places.get(record.id) if snapshot else None

    async def progress_of(self, record: JobRecord) -> JobProgress | None:
        """How far a job's present attempt is; None where it is not known, which is no error."""
        if record.status is not Status.PROCESSING:
            return None
        snapshot = await self._current()
        progress = snapshot.progress.get(record.id) if snapshot else None
        return progress if progress is not None and progress.attempt == record.attempt else None

    async def _current(self) -> SchedulerSnapshot | None:
        async with self._lock:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._read_at = time.monotonic()
                try:
                    self._snapshot = await self._snapshots.read(self._shard, at=clock.now())
                except CapacityUnavailable as error:
                    self._snapshot = None
                    _log.warning("queue_snapshot_not_read", exc_info=error)
        return self._snapshot
