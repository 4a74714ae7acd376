"""Follows the watch of GenerationJobs: keeps the index; the leader queues and cancels jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable, DomainError, JobNotCancelable, JobNotFound
from imagerift_core.jobs import Status
from imagerift_core.mongo.jobs import JobStore

from imagerift_operator.admission import HandMadeAdmission
from imagerift_operator.job_entry import JobEntry, entry_of
from imagerift_operator.job_status import refused_status
from imagerift_operator.leadership import Leadership
from imagerift_operator.memory import Memory
from imagerift_operator.plan_limits import PlanLimitsCache
from imagerift_operator.refusals import AWAY
from imagerift_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)

DELETED_REASON = "The GenerationJob resource was deleted."
CANCEL_REASON = "Canceled by spec.cancel."


class JobWatch:
    """Keeps the index on every replica, so that a standby's is warm; only the leader reacts.

    `observe` must be cheap: it runs once for every event of the watch.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        memory: Memory,
        writer: StatusWriter,
        admission: HandMadeAdmission,
        plan_limits: PlanLimitsCache,
        leadership: Leadership,
    ) -> None:
        self._jobs = jobs
        self._memory = memory
        self._writer = writer
        self._admission = admission
        self._plan_limits = plan_limits
        self._leadership = leadership
        self._tasks: set[asyncio.Task[None]] = set()
        self._hand_made: dict[str, dict[str, Any]] = {}

    def observe(self, event_type: str | None, body: dict[str, Any]) -> None:
        """Takes one event: ADDED, MODIFIED, DELETED, or None for the first listing."""
        if event_type == "DELETED":
            self.resource_deleted(entry_of(body))
            return
        sighting = self._memory.index.observe(body)
        entry = sighting.entry
        if entry.ended:
            self._memory.scheduler.remove(entry.job_id)
            self._hand_made.pop(entry.uid, None)
            # Else a sweep looks at its record first.
            if entry.verified:
                self._writer.delete_later(entry)
            return
        if sighting.asks_cancel:
            self._react(self._cancel, entry, CANCEL_REASON)
        if sighting.is_new:
            if not entry.by_api:
                self._hand_made[entry.uid] = body
            self._react(self.admit_and_queue, entry)

    def resource_deleted(self, entry: JobEntry) -> None:
        """Forgets a resource that no longer exists, and cancels its job if that has not ended."""
        known = self._memory.index.remove(entry.uid)
        self._hand_made.pop(entry.uid, None)
        self._memory.scheduler.remove(entry.job_id)
        if not entry.ended and not (known is not None and known.ended):
            self._react(self._cancel, entry, DELETED_REASON)

    def start_leading(self) -> None:
        """Queues and cancels what is there; called when this process has become the leader."""
        for entry in self._memory.index:
            if not entry.ended:
                if entry.cancel:
                    self._react(self._cancel, entry, CANCEL_REASON)
                self._react(self.admit_and_queue, entry)
        self._memory.changed.set()

    async def admit_and_queue(self, entry: JobEntry) -> None:
        """Queues a live resource, a hand-made one once admitted. Raises `CapacityUnavailable`."""
        if entry.uid in self._hand_made and not await self._admit(entry):
            return
        limits = await self._plan_limits.of(entry.workspace)
        self._memory.index.set_band(entry, limits.band)
        self._memory.scheduler.limit(entry.workspace, limits.concurrent_jobs)
        live = entry.uid in self._memory.index and not entry.ended
        if live and entry.job_id not in self._memory.in_flight:
            self._memory.enqueue(entry)

    async def _admit(self, entry: JobEntry) -> bool:
        body = self._hand_made.get(entry.uid)
        if body is None or not self._leadership.leading:
            return False
        try:
            record = await self._admission.admit(body)
        except CapacityUnavailable:
            raise
        except DomainError as error:
            log.info("resource_refused", name=entry.name, code=error.code)
            await self._writer.try_status(
                entry, refused_status(error.code, error.message, at=now())
            )
            return False
        self._hand_made.pop(entry.uid, None)
        if record is None:
            return False
        if record.status.terminal:
            await self._writer.try_write(entry, record)
            return False
        self._memory.index.set_attempt(entry, record.attempt)
        self._writer.events.job_accepted(entry)
        return True

    async def _cancel(self, entry: JobEntry, reason: str) -> None:
        if not self._leadership.leading:
            return
        record = await self._jobs.get(entry.job_id)
        if record is None or not entry.matches(record):
            return
        try:
            record = await self._jobs.cancel(
                entry.job_id, workspace=record.workspace, reason=reason, at=now()
            )
        except (JobNotCancelable, JobNotFound):
            return
        if record.status is Status.PROCESSING:
            await self._memory.in_flight.cancel(entry.job_id)
            return
        self._memory.scheduler.remove(entry.job_id)
        if entry.uid in self._memory.index:
            await self._writer.write(entry, record)

    def _react(self, reaction: Callable[..., Awaitable[None]], *of: Any) -> None:
        task = asyncio.create_task(self._until_done(reaction, *of))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_done(self, reaction: Callable[..., Awaitable[None]], *of: Any) -> None:
        try:
            await reaction(*of)
        except AWAY as error:
            # The next sweep finds what was left undone.
            log.warning("reaction_postponed", error=type(error).__name__)
        except Exception:
            log.exception("reaction_broke")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
