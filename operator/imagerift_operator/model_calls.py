"""Sends claimed attempts to model servers, with URLs that are signed for them alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from imagerift_core.clock import now
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.jobs import JobRecord
from imagerift_core.kube import KubeUnavailable
from imagerift_core.model_documents import ModelAnswer, ModelProblem
from imagerift_core.modes import Modes
from imagerift_core.s3 import ObjectStore
from imagerift_core.triton import TritonRefused, TritonUnavailable

from imagerift_operator.attempt_codec import (
    NOT_SENT,
    Signer,
    attempt_id,
    build_request,
    read_answer,
    without_urls,
)
from imagerift_operator.call_limits import CallLimit
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_pod_runs import PodAttempt
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.metrics import Metrics
from imagerift_operator.pools import Replica, flag_canceled
from imagerift_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)

# Signed URLs outlive the attempt by a little, never by much.
URL_GRACE_SECONDS = 60


class ModelCalls:
    """One call an attempt.

    A resource is shown as Running after `running_status_after` seconds. A call is given up
    `answer_grace` seconds after the attempt's deadline, which models check between steps. `gate`
    is the safety gate that must judge each job.
    """

    def __init__(
        self,
        store: ObjectStore,
        modes: Modes,
        writer: StatusWriter,
        metrics: Metrics,
        crash: CrashPoints,
        *,
        running_status_after: float,
        answer_grace: float,
    ) -> None:
        self._store = store
        self._modes = modes
        self._writer = writer
        self._metrics = metrics
        self._crash = crash
        self._running_status_after = running_status_after
        self._answer_grace = answer_grace
        self.gate: str | None = None

    async def run(
        self,
        entry: JobEntry,
        record: JobRecord,
        replica: Replica,
        began: Callable[[], None] = lambda: None,
        limit: CallLimit | None = None,
    ) -> ModelAnswer:
        """Returns the model's answer; where its server refuses or goes away, one with an error.

        `began` is told when an attempt that had to wait for its pod may begin at last. `limit` is
        for whoever sees that an attempt waits for its model behind others.
        """
        self._writer.events.job_dispatched(entry, record)
        answer = await self._run(entry, record, replica, began, limit or CallLimit())
        self._crash.reach("operator-answered")
        return answer

    async def _run(
        self,
        entry: JobEntry,
        record: JobRecord,
        replica: Replica,
        began: Callable[[], None],
        limit: CallLimit,
    ) -> ModelAnswer:
        at = now()
        model = self._modes[record.spec.mode].model
        waits = isinstance(replica.server, JobPodServer) and replica.server.waits

        def begin() -> None:
            nonlocal at
            at = now()
            began()

        call = asyncio.create_task(self._sent(entry, record, replica, begin, limit))
        try:
            await asyncio.wait([call], timeout=self._running_status_after)
            if not call.done() and not waits:
                with contextlib.suppress(KubeUnavailable):
                    await self._writer.show_running(entry, record)
            answer = await call
        except TritonUnavailable as error:
            replica.mark_lost()
            if error.sent:
                # It may still wait there for a free instance, and count its time from then on.
                await flag_canceled(replica, attempt_id(record.id, record.attempt))
            code = "model_error" if error.sent else NOT_SENT
            return _failed(code, "The model server went away.")
        except TritonRefused as error:
            log.warning("model_refused", job=record.id, model=model, error=without_urls(str(error)))
            return _failed("model_error", "The model server refused the job.")
        finally:
            call.cancel()
            self._metrics.ran((now() - at).total_seconds(), record.pool or "")
        return read_answer(answer)

    async def _sent(
        self,
        entry: JobEntry,
        record: JobRecord,
        replica: Replica,
        began: Callable[[], None],
        limit: CallLimit,
    ) -> dict[str, Any]:
        """The RESULT of an attempt that a server or a pod of its own is sent."""
        at = now()
        if isinstance(replica.server, JobPodServer):
            attempt = PodAttempt(
                attempt_id=attempt_id(record.id, record.attempt),
                seconds=_seconds_of(record.attempt_deadline_at, at) or 1.0,
                job_seconds=_seconds_of(record.deadline_at, at),
                answer_grace=self._answer_grace,
                request=partial(self._request, record),
                news=replica.server.reports.of(entry, record, began),
                kind=f"{record.workspace}/{record.spec.mode}",
            )
            return await replica.server.run_attempt(attempt)
        seconds = _seconds_left(record, at)
        spare = _spare_seconds(record, at, seconds, slots=replica.slots.size)
        try:
            async with limit.within(seconds + self._answer_grace, spare=spare):
                return await replica.server.call(
                    self._modes[record.spec.mode].model,
                    self._request(record, seconds, spare),
                    timeout_seconds=seconds + spare + self._answer_grace,
                )
        except TimeoutError as error:
            raise TritonUnavailable(type(error).__name__, sent=True) from error

    def _request(self, record: JobRecord, seconds: float, spare: float = 0.0) -> dict[str, Any]:
        signer = self._signer(int(seconds + spare) + URL_GRACE_SECONDS)
        return build_request(record, seconds, signer, self.gate, wait_seconds=spare)

    def _signer(self, lifetime: int) -> Signer:
        return Signer(
            get=lambda key: self._store.presign_get(key, seconds=lifetime),
            put=lambda key, kind: self._store.presign_put(key, content_type=kind, seconds=lifetime),
        )


def _seconds_left(record: JobRecord, at: datetime) -> float:
    """Until the attempt's deadline, or the job's where that comes first; a second at least."""
    deadline = record.attempt_deadline_at or at
    if record.deadline_at is not None:
        deadline = min(deadline, record.deadline_at)
    return max(1.0, (deadline - at).total_seconds())


def _spare_seconds(record: JobRecord, at: datetime, seconds: float, *, slots: int) -> float:
    """How long an attempt may wait for its model, which may work for all other slots first."""
    spare = seconds * (slots - 1)
    if record.deadline_at is not None:
        spare = min(spare, (record.deadline_at - at).total_seconds() - seconds)
    return max(0.0, spare)


def _seconds_of(deadline: datetime | None, at: datetime) -> float | None:
    """Until a deadline; a second at least, None where there is none."""
    return None if deadline is None else max(1.0, (deadline - at).total_seconds())


def _failed(code: str, message: str) -> ModelAnswer:
    return ModelAnswer(error=ModelProblem(code=code, message=message, retryable=True))
