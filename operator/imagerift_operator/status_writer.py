"""Writes what happened onto the resources, and deletes ended ones when their time is over."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import stamina
import structlog
from imagerift_core import telemetry
from imagerift_core.clock import now
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.isolation import Isolation
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.kube import Kube, KubeUnavailable
from imagerift_core.kube_calls import KubeRefused, words_of
from imagerift_core.kube_events import Regarding

from imagerift_operator.events import EventWriter
from imagerift_operator.job_entry import ENDED_PHASES, JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.job_status import job_status
from imagerift_operator.metrics import Metrics

log = structlog.get_logger(__name__)

_RETRY_AFTER = timedelta(seconds=2)
# One after the other they would fall behind a steady stream of short jobs.
_DELETES_AT_ONCE = 8


class StatusWriter:
    """The operator's only writer of GenerationJobs; `events` tells of them."""

    def __init__(
        self,
        kube: Kube,
        index: JobIndex,
        metrics: Metrics,
        crash: CrashPoints,
        events: EventWriter,
        *,
        deletions: Isolation,
    ) -> None:
        self._kube = kube
        self._index = index
        self.events = events
        self._metrics = metrics
        self._crash = crash
        self._deletions = deletions
        self._due: list[tuple[datetime, str, str]] = []
        self._due_uids: set[str] = set()
        self._changed = asyncio.Event()

    async def write(self, entry: JobEntry, record: JobRecord) -> None:
        """Writes a record's status; waits while the API server is away."""
        async for attempt in stamina.retry_context(
            on=KubeUnavailable, attempts=None, timeout=None, wait_initial=0.2, wait_max=10.0
        ):
            with attempt:
                await self.try_write(entry, record)

    async def try_write(self, entry: JobEntry, record: JobRecord) -> None:
        """Writes a record's status. Raises `KubeUnavailable` or `KubeRefused`."""
        there = await self.try_status(entry, job_status(record))
        if there and record.status is Status.SUCCEEDED:
            self.events.job_completed(entry, record)

    async def show_running(self, entry: JobEntry, record: JobRecord) -> None:
        """Shows a long job as running. Raises `KubeUnavailable`; nobody depends on it."""
        await self.show_status(entry, job_status(record))

    async def show_status(self, entry: JobEntry, status: dict[str, Any]) -> None:
        """Shows how a job stands that has not ended. Raises as `show_running`."""
        await self._write(entry, status)
        self._metrics.kubernetes_write("status")

    async def try_status(self, entry: JobEntry, status: dict[str, Any]) -> bool:
        """Writes a status, and an Event where it is Failed; False where the resource is gone.

        Raises `KubeUnavailable` or `KubeRefused`.
        """
        self._index.set_verified(entry, verified=status["phase"] in ENDED_PHASES)
        with telemetry.span("resource.status", kind=telemetry.SpanKind.CLIENT):
            there = await self._write(entry, status)
        if there and status["phase"] == "Failed":
            self.events.job_failed(entry, status)
        self._metrics.kubernetes_write("status")
        self._crash.reach("operator-status-written")
        return there

    async def show_waiting(self, entry: JobEntry, status: dict[str, Any]) -> bool:
        """Writes why a job waits; False where its resource was written to since it was seen.

        Raises `KubeUnavailable`; nobody depends on it.
        """
        if entry.version is None:
            return False
        written = await self._kube.patch_unchanged_job_status(
            entry.name, status, uid=entry.uid, version=entry.version
        )
        if written is None:
            return False
        self._index.set_explained(entry)
        self._metrics.kubernetes_write("status")
        return True

    async def _write(self, entry: JobEntry, status: dict[str, Any]) -> bool:
        """Writes the status; False where the resource is gone."""
        try:
            written = await self._kube.patch_job_status(
                entry.name, status, uid=entry.uid, version=entry.version
            )
        except KubeRefused as error:
            self._tell(entry.name, entry.uid, "StatusRefused", error)
            raise
        return written is not None

    def _tell(self, name: str, uid: str, reason: str, error: KubeRefused) -> None:
        """Has an Event say on the resource what was refused, in the API server's words."""
        regarding = Regarding("GenerationJob", name, uid)
        self.events.tell(regarding, "Warning", reason, words_of(error))

    def delete_later(self, entry: JobEntry) -> None:
        """Has an ended resource deleted when its TTL is over. Saying it twice changes nothing."""
        due = entry.delete_at
        if due is None or entry.uid in self._due_uids:
            return
        self._due_uids.add(entry.uid)
        heapq.heappush(self._due, (due, entry.name, entry.uid))
        self._changed.set()

    async def run(self, may_act: Callable[[], bool]) -> None:
        """Deletes what is due until canceled, while `may_act()` is true."""
        while True:
            self._changed.clear()
            pause = self._pause()
            if pause > 0 or not may_act():
                try:
                    async with asyncio.timeout(max(0.5, min(pause, 5.0))):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            await self._delete_due()

    def _pause(self) -> float:
        if not self._due:
            return 5.0
        return (self._due[0][0] - now()).total_seconds()

    async def _delete_due(self) -> None:
        at = now()
        due: list[tuple[datetime, str, str]] = []
        while self._due and self._due[0][0] <= at and len(due) < _DELETES_AT_ONCE:
            due.append(heapq.heappop(self._due))
        await asyncio.gather(*(self._delete(name, uid) for _, name, uid in due))

    async def _delete(self, name: str, uid: str) -> None:
        try:
            await self._kube.delete_job(name, uid=uid)
        except Exception as error:  # noqa: BLE001 - whatever this one meets, the others go on
            pause = timedelta(seconds=self._deletions.failed(name, error))
            heapq.heappush(self._due, (now() + max(pause, _RETRY_AFTER), name, uid))
            if isinstance(error, KubeRefused):
                self._tell(name, uid, "DeleteRefused", error)
            return
        self._deletions.succeeded(name)
        self._due_uids.discard(uid)
        self._metrics.kubernetes_write("delete")
        self._crash.reach("operator-deleted")
