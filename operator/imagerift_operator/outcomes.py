"""Writes what came of attempts: settled or queued again, in the record before all else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import stamina
import structlog
from imagerift_core import telemetry
from imagerift_core.clock import now
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobError, JobRecord, Status
from imagerift_core.model_documents import ModelAnswer
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.settlement_rules import Settlement

from imagerift_operator.attempt_codec import failed_settlement, next_attempt, settlement_of
from imagerift_operator.delivered import Deliveries
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.memory import Memory
from imagerift_operator.metrics import Metrics
from imagerift_operator.settler import SetAside, Settler, Superseded
from imagerift_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)

SET_ASIDE_PAUSE = timedelta(minutes=1)


class Outcomes:
    """Every outcome is one conditional write; memory and resource follow it."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        memory: Memory,
        settler: Settler,
        deliveries: Deliveries,
        writer: StatusWriter,
        metrics: Metrics,
        crash: CrashPoints,
    ) -> None:
        self._jobs = jobs
        self._memory = memory
        self._settler = settler
        self._deliveries = deliveries
        self._writer = writer
        self._metrics = metrics
        self._crash = crash
        # Jobs whose end the store refuses, and when it is tried again.
        self._set_aside: dict[str, datetime] = {}

    @property
    def set_aside(self) -> int:
        """How many jobs there are whose end the store refuses."""
        return len(self._set_aside)

    async def reconcile(self, entry: JobEntry) -> None:
        """Brings one resource in step with its record, whatever was missed.

        A job that only a newer version may run waits for that one to lead.

        Raises `CapacityUnavailable` or `KubeUnavailable` where a store is away, and
        `KubeRefused`.
        """
        record = await self._jobs.get(entry.job_id)
        if record is None or not entry.matches(record):
            return
        if record.status.terminal:
            await self._writer.try_write(entry, record)
        elif record.status is Status.QUEUED and record.may_run:
            self._memory.index.set_attempt(entry, record.attempt)
            self._memory.enqueue(entry, not_before=record.not_before)

    async def end(self, entry: JobEntry, record: JobRecord, answer: ModelAnswer) -> None:
        """Ends an attempt that was answered: the job is tried again, or is over.

        What the bucket does not hold was not delivered, and is not charged.
        """
        owner = _owner(record)
        if answer.outputs:
            answer = await self._deliveries.confirmed(record, answer)
        if answer.error is not None and not answer.outputs:
            again = next_attempt(record, answer.error, at=now())
            if again is not None and await self._requeue(
                entry, record.attempt, owner, failed=again.failed, not_before=again.not_before
            ):
                if again.not_before is not None:
                    self._writer.events.job_retried(entry, record, answer.error.code)
                return
        await self._settle(entry, settlement_of(record, owner, answer))

    async def fail(self, entry: JobEntry, record: JobRecord, error: JobError) -> None:
        """Ends a claimed job with an error, uncharged."""
        await self._settle(entry, failed_settlement(record, _owner(record), error))

    async def return_to_queue(self, entry: JobEntry, attempt: int, owner: str) -> bool:
        """Queues a job again whose attempt is to count for nothing.

        False where the record does not have it: only settlement can end that attempt.
        """
        return await self._requeue(entry, attempt, owner, failed=False)

    def may_take_over(self, record: JobRecord) -> bool:
        """Whether to end an attempt that no task of ours runs: later, where it is set aside."""
        until = self._set_aside.get(record.id)
        return record.owner is not None and (until is None or until <= now())

    async def take_over(self, entry: JobEntry, record: JobRecord) -> None:
        """Ends an attempt that no process of ours is running: requeued, or settled canceled."""
        self._set_aside.pop(record.id, None)
        if await self.return_to_queue(entry, record.attempt, _owner(record)):
            log.info("attempt_taken_over", job=record.id, attempt=record.attempt)
        elif record.cancel_requested:
            error = JobError(code="model_error", message="The attempt was given up.")
            await self.fail(entry, record, error)

    async def _requeue(
        self,
        entry: JobEntry,
        attempt: int,
        owner: str,
        *,
        failed: bool,
        not_before: datetime | None = None,
    ) -> bool:
        async for retry in _store_retries():
            with retry:
                record = await self._jobs.requeue(
                    entry.job_id,
                    attempt=attempt,
                    owner=owner,
                    failed=failed,
                    not_before=not_before,
                )
        if record is None:
            return False
        self._metrics.requeued(failed=failed)
        self._memory.requeue(entry, record.attempt, not_before=not_before)
        return True

    async def _settle(self, entry: JobEntry, ended: Settlement) -> None:
        try:
            with telemetry.span("settle"):
                record = await self._settler.settle(ended)
        except Superseded:
            log.info("attempt_superseded", job=ended.job_id, attempt=ended.attempt)
            return
        except SetAside:
            await self._settle_without_result(entry, ended)
            return
        self._crash.reach("operator-settled")
        self._metrics.ended(record)
        self._metrics.charged(record.quota.charged_units, record.spec.mode)
        # The job is over; that it is in flight no more must not wait for the API server.
        self._memory.in_flight.drop(entry.job_id)
        await self._writer.write(entry, record)

    async def _settle_without_result(self, entry: JobEntry, ended: Settlement) -> None:
        """Ends a job whose result the store refuses: failed and uncharged, so that it ends."""
        if ended.error is not None and not ended.outputs:
            # Not even that can be written: people have to mend the store. Until they have, the
            # job keeps its status and its units, and is tried again now and then.
            self._set_aside[ended.job_id] = now() + SET_ASIDE_PAUSE
            return
        error = JobError(code="model_error", message="The result could not be recorded.")
        bare = Settlement(
            job_id=ended.job_id, attempt=ended.attempt, owner=ended.owner, error=error
        )
        await self._settle(entry, bare)


def _owner(record: JobRecord) -> str:
    """The attempt's owner, empty where it has none: no settlement matches it then."""
    return record.owner or ""


def _store_retries() -> Any:
    return stamina.retry_context(
        on=CapacityUnavailable, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
    )
