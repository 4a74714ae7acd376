"""Claims waiting jobs, sends them to model servers, and sees each attempt to its end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import stamina
import structlog
from imagerift_core import telemetry
from imagerift_core.clock import now
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.grouping import Grouping
from imagerift_core.jobs import MAX_ATTEMPTS, JobError, JobRecord, Status
from imagerift_core.kube import KubeUnavailable
from imagerift_core.model_documents import ModelAnswer, ModelProblem
from imagerift_core.modes import Modes
from imagerift_core.mongo import Database, jobs, transitions, translated_errors
from imagerift_core.s3 import ObjectStore
from imagerift_core.settlements import Settlement
from imagerift_core.triton import TritonRefused, TritonUnavailable

from imagerift_operator.attempts import (
    NOT_SENT,
    Signer,
    attempt_id,
    build_request,
    failed_settlement,
    next_try,
    read_answer,
    settlement_of,
    without_urls,
)
from imagerift_operator.entries import Entry
from imagerift_operator.leadership import Leadership
from imagerift_operator.metrics import Metrics
from imagerift_operator.pools import Choice, Pools, Replica, flag_canceled
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.settler import SetAside, Settler, Superseded
from imagerift_operator.status_writer import StatusWriter
from imagerift_operator.traces import attempt_span, note_answer
from imagerift_operator.wait_estimates import Pace

log = structlog.get_logger(__name__)

# Signed URLs outlive the attempt by a little, never by much.
URL_GRACE_SECONDS = 60
STORE_PAUSE = timedelta(seconds=1)
SET_ASIDE_PAUSE = timedelta(minutes=1)
CLAIMS_AT_ONCE = 64
CLAIM_PAUSE_SECONDS = 0.02
# What a process that ends gives the ends of its last attempts; its successor finds the others.
LAST_WRITES_SECONDS = 5.0


@dataclass
class InFlight:
    """An attempt of ours between claim and settlement; `answered` once the model is done."""

    entry: Entry
    replica: Replica
    since: datetime
    attempt: int | None = None
    task: asyncio.Task[None] | None = None
    answered: bool = False


class Dispatcher:
    """Runs attempts while this process leads. Every decision is a conditional write."""

    def __init__(
        self,
        *,
        database: Database,
        store: ObjectStore,
        modes: Modes,
        pools: Pools,
        scheduler: Scheduler,
        settler: Settler,
        writer: StatusWriter,
        leadership: Leadership,
        metrics: Metrics,
        pace: Pace,
        crash: CrashPoints,
        running_status_after: float,
        pod_start_seconds: int,
        answer_grace: float,
    ) -> None:
        self._database = database
        self._store = store
        self._modes = modes
        self._pools = pools
        self._scheduler = scheduler
        self._settler = settler
        self._writer = writer
        self._leadership = leadership
        self._metrics = metrics
        self._pace = pace
        self._crash = crash
        self._running_status_after = running_status_after
        self._answer_grace = answer_grace
        self._claims: Grouping[transitions.Claim, JobRecord | None] = Grouping(
            lambda wishes: transitions.claim_all(database, wishes),
            most=CLAIMS_AT_ONCE,
            pause=CLAIM_PAUSE_SECONDS,
        )
        self._pod_start_seconds = pod_start_seconds
        self._wake = asyncio.Event()
        self._stopping = False
        self.in_flight: dict[str, InFlight] = {}
        # Jobs whose end the store refuses, and when it is tried again.
        self.set_aside: dict[str, datetime] = {}

    def wake(self) -> None:
        """Something changed that may let a job start."""
        self._wake.set()

    async def run(self) -> None:
        """Starts attempts until canceled."""
        while True:
            self._wake.clear()
            due = self._scheduler.release_delayed(now())
            while self._start_one():
                pass
            pause = 1.0 if due is None else min(1.0, (due - now()).total_seconds())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, pause)):
                    await self._wake.wait()

    async def drain(self, seconds: float) -> None:
        """Starts nothing more, waits for attempts in flight, then hands the rest back.

        An attempt whose model is done is not handed back: its end is still written.
        """
        self._stopping = True
        await self._wait_for_attempts(seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITES_SECONDS):
                await self._hand_back()
                await self._wait_for_attempts()
        for flight in list(self.in_flight.values()):
            if flight.task:
                flight.task.cancel()

    async def _wait_for_attempts(self, seconds: float | None = None) -> None:
        tasks = [flight.task for flight in self.in_flight.values() if flight.task]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def _hand_back(self) -> None:
        for job_id, flight in list(self.in_flight.items()):
            if flight.answered:
                continue
            if flight.attempt is not None:
                await flag_canceled(flight.replica, attempt_id(job_id, flight.attempt))
                await self._requeue(flight.entry, flight.attempt, failed=False)
            if flight.task:
                flight.task.cancel()

    async def cancel_in_flight(self, job_id: str) -> None:
        """Stops our attempt of a job, if there is one, at the model's next check."""
        flight = self.in_flight.get(job_id)
        if flight is not None and flight.attempt is not None:
            await flag_canceled(flight.replica, attempt_id(job_id, flight.attempt))

    def _start_one(self) -> bool:
        if not self._leadership.leading or self._stopping:
            return False
        for choice in self._pools.choose():
            entry = self._scheduler.next(choice.targets)
            if entry is None:
                continue
            if entry.job_id in self.in_flight:
                self._scheduler.ended(entry)
            else:
                choice.replica.busy += 1
                flight = InFlight(entry, choice.replica, now())
                self.in_flight[entry.job_id] = flight
                flight.task = asyncio.create_task(self._attempt(flight, choice))
                return True
        return False

    async def _attempt(self, flight: InFlight, choice: Choice) -> None:
        entry, replica = flight.entry, flight.replica
        freed = False
        try:
            began = now()
            record = await self._claim(entry, choice.pool)
            if record is None:
                return
            flight.attempt = record.attempt
            self._crash.reach("operator-claimed")
            with attempt_span(record, began):
                answer = await self._run(record, replica, entry)
                flight.answered = True
                if len(answer.outputs) == entry.units:
                    self._pace.ran(entry, (now() - flight.since).total_seconds())
                self._crash.reach("operator-answered")
                note_answer(answer)
                freed = self._free(replica, entry)
                await self._end(entry, record, answer)
        except CapacityUnavailable:
            # Whether the claim was written is not known; the next one finds out.
            log.warning("store_unavailable", job=entry.job_id)
            self._scheduler.add(entry, not_before=now() + STORE_PAUSE)
        except Exception:
            log.exception("attempt_broke", job=entry.job_id)
        finally:
            if not freed:
                self._free(replica, entry)
            if self.in_flight.get(entry.job_id) is flight:
                del self.in_flight[entry.job_id]

    def _free(self, replica: Replica, entry: Entry) -> bool:
        replica.busy -= 1
        self._scheduler.ended(entry)
        self.wake()
        return True

    async def _claim(self, entry: Entry, pool: str) -> JobRecord | None:
        """The record of a new attempt, or None once the job was dealt with otherwise."""
        at = now()
        seconds = self._modes[entry.mode].attempt_seconds if entry.mode in self._modes else 60
        if entry.execution == "Pod":
            seconds += self._pod_start_seconds
        async with translated_errors():
            record = await self._claims.add(
                transitions.Claim(
                    job_id=entry.job_id,
                    attempt=entry.attempt,
                    owner=self._leadership.identity,
                    pool=pool,
                    resource_uid=entry.uid,
                    at=at,
                    attempt_deadline=at + timedelta(seconds=seconds),
                )
            )
            if record is None:
                await self.reconcile(entry)
                return None
        if record.attempt == 1:
            self._metrics.waited((at - record.created_at).total_seconds())
        error = _hopeless(record, at)
        if error is not None:
            await self._settle(entry, failed_settlement(record, self._leadership.identity, error))
            return None
        return record

    async def reconcile(self, entry: Entry) -> None:
        """Brings one resource in step with its record, whatever was missed.

        Raises `CapacityUnavailable` where the store is away.
        """
        async with translated_errors():
            record = await jobs.get(self._database, entry.job_id)
        if record is None or not entry.is_of(record):
            return
        if record.status.terminal:
            await self._writer.write(entry, record)
        elif record.status is Status.QUEUED:
            entry.attempt = record.attempt
            self._scheduler.add(entry, not_before=record.not_before)

    async def _run(self, record: JobRecord, replica: Replica, entry: Entry) -> ModelAnswer:
        at = now()
        deadline = record.attempt_deadline_at or at
        if record.deadline_at is not None:
            deadline = min(deadline, record.deadline_at)
        seconds = max(1.0, (deadline - at).total_seconds())
        lifetime = int(seconds) + URL_GRACE_SECONDS
        signer = Signer(
            get=lambda key: self._store.presign_get(key, seconds=lifetime),
            put=lambda key, kind: self._store.presign_put(key, content_type=kind, seconds=lifetime),
        )
        request = build_request(record, deadline, signer)
        model = self._modes[record.spec.mode].model
        call = asyncio.create_task(
            replica.server.call(model, request, timeout_seconds=seconds + self._answer_grace)
        )
        try:
            await asyncio.wait([call], timeout=self._running_status_after)
            if not call.done():
                with contextlib.suppress(KubeUnavailable):
                    await self._writer.show_running(entry, record)
            answer = await call
        except TritonUnavailable as error:
            replica.models = []
            code = "model_error" if error.sent else NOT_SENT
            problem = ModelProblem(code=code, message="The model server went away.", retryable=True)
            return ModelAnswer(error=problem)
        except TritonRefused as error:
            log.warning("model_refused", job=record.id, model=model, error=without_urls(str(error)))
            problem = ModelProblem(
                code="model_error", message="The model server refused the job.", retryable=True
            )
            return ModelAnswer(error=problem)
        finally:
            call.cancel()
            self._metrics.ran((now() - at).total_seconds(), record.pool or "")
        return read_answer(answer)

    async def _end(self, entry: Entry, record: JobRecord, answer: ModelAnswer) -> None:
        owner = self._leadership.identity
        if answer.error is not None and not answer.outputs:
            again = next_try(record, answer.error, at=now())
            if again is not None and await self._requeue(
                entry, record.attempt, failed=again.failed, not_before=again.not_before
            ):
                return
        await self._settle(entry, settlement_of(record, owner, answer))

    async def _requeue(
        self,
        entry: Entry,
        attempt: int,
        *,
        failed: bool,
        not_before: datetime | None = None,
        owner: str | None = None,
    ) -> bool:
        """Gives an attempt back to the queue. False where only settlement can end it."""
        async for retry in _store_retries():
            with retry:
                async with translated_errors():
                    record = await transitions.requeue(
                        self._database,
                        entry.job_id,
                        attempt=attempt,
                        owner=owner or self._leadership.identity,
                        failed=failed,
                        not_before=not_before,
                    )
        if record is None:
            return False
        self._metrics.requeued(failed=failed)
        entry.attempt = record.attempt
        self.in_flight.pop(entry.job_id, None)
        self._scheduler.add(entry, not_before=not_before)
        self.wake()
        return True

    async def take_over(self, entry: Entry, record: JobRecord) -> None:
        """Ends an attempt that no process of ours is running: requeued, or settled canceled.

        The old call may still occupy a slot, so its attempt is flagged on every replica.
        """
        until = self.set_aside.get(record.id)
        if record.owner is None or (until is not None and until > now()):
            return
        self.set_aside.pop(record.id, None)
        await self._pools.cancel_everywhere(record.pool, attempt_id(record.id, record.attempt))
        if await self._requeue(entry, record.attempt, failed=False, owner=record.owner):
            log.info("attempt_taken_over", job=record.id, attempt=record.attempt)
            return
        if record.cancel_requested:
            error = JobError(code="model_error", message="The attempt was given up.")
            await self._settle(entry, failed_settlement(record, record.owner, error))

    async def _settle(self, entry: Entry, ended: Settlement) -> None:
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
        self._metrics.ended(record.status.value)
        self._metrics.charged(record.quota.charged_units, record.spec.mode)
        # The job is over; its slot in the bookkeeping must not wait for the API server.
        self.in_flight.pop(entry.job_id, None)
        await self._writer.write(entry, record)

    async def _settle_without_result(self, entry: Entry, ended: Settlement) -> None:
        """Ends a job whose result the store refuses: failed and uncharged, so that it ends."""
        if ended.error is not None and not ended.outputs:
            # Not even that can be written: people have to mend the store. Until they have, the
            # job keeps its status and its units, and is tried again now and then.
            self.set_aside[ended.job_id] = now() + SET_ASIDE_PAUSE
            return
        error = JobError(code="model_error", message="The result could not be recorded.")
        bare = Settlement(
            job_id=ended.job_id, attempt=ended.attempt, owner=ended.owner, error=error
        )
        await self._settle(entry, bare)


def _store_retries() -> Any:
    return stamina.retry_context(
        on=CapacityUnavailable, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
    )


def _hopeless(record: JobRecord, at: datetime) -> JobError | None:
    """Why a claimed job is ended without being sent."""
    if record.deadline_at is not None and record.deadline_at <= at:
        return JobError(code="timeout", message="The job's deadline passed before it was done.")
    if record.attempt > MAX_ATTEMPTS:
        return JobError(
            code="model_error", message=f"Given up after {MAX_ATTEMPTS} attempts without an end."
        )
    return None
