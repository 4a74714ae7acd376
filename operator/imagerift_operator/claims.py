"""Claims waiting jobs: the one write that makes an attempt of a job this process's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from imagerift_core.clock import now
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import MAX_ATTEMPTS, JobError, JobRecord
from imagerift_core.micro_batching import MicroBatcher
from imagerift_core.modes import Modes
from imagerift_core.mongo.claims import Claim
from imagerift_core.mongo.jobs import JobStore

from imagerift_operator.job_entry import JobEntry
from imagerift_operator.leadership import Leadership
from imagerift_operator.metrics import Metrics

CLAIMS_AT_ONCE = 64
CLAIM_PAUSE_SECONDS = 0.02
UNKNOWN_MODE_SECONDS = 60


class Claims:
    """Claims that come together share a round trip; each is decided by its own write.

    `pod_start_seconds` are added to the time of jobs that run as pods of their own.
    """

    def __init__(
        self,
        jobs: JobStore,
        modes: Modes,
        leadership: Leadership,
        metrics: Metrics,
        crash: CrashPoints,
        *,
        pod_start_seconds: int,
    ) -> None:
        self._jobs = jobs
        self._modes = modes
        self._leadership = leadership
        self._metrics = metrics
        self._crash = crash
        self._pod_start_seconds = pod_start_seconds
        self._claims: MicroBatcher[Claim, JobRecord | None] = MicroBatcher(
            self._claim_all,
            max_items=CLAIMS_AT_ONCE,
            pause=CLAIM_PAUSE_SECONDS,
        )

    async def claim(self, entry: JobEntry, pool: str) -> JobRecord | None:
        """The record of a new attempt, None where the job is not as it was last seen.

        Raises `CapacityUnavailable` where it is not known whether the claim was written.
        """
        at = now()
        record = await self._claims.add(
            Claim(
                job_id=entry.job_id,
                attempt=entry.attempt,
                owner=self._leadership.identity,
                pool=pool,
                resource_uid=entry.uid,
                at=at,
                attempt_deadline=at + self._time_for(entry),
            )
        )
        if record is None:
            return None
        if record.attempt == 1:
            self._metrics.waited((at - record.created_at).total_seconds(), entry.band)
        self._crash.reach("operator-claimed")
        return record

    async def _claim_all(self, group: Sequence[Claim]) -> list[JobRecord | Exception | None]:
        """Claims a group; where that breaks it is done in halves, down to the one at fault.

        What was written before it broke is found to be ours when it is claimed again.
        """
        try:
            return [*await self._jobs.claim_all(group)]
        except CapacityUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - raised to whoever waits for this claim
            if len(group) == 1:
                return [error]
        middle = len(group) // 2
        return [
            *await self._claim_all(group[:middle]),
            *await self._claim_all(group[middle:]),
        ]

    def _time_for(self, entry: JobEntry) -> timedelta:
        mode = self._modes.get(entry.mode)
        seconds = mode.seconds_for(entry.units) if mode is not None else UNKNOWN_MODE_SECONDS
        if entry.execution == "Pod":
            seconds += self._pod_start_seconds
        return timedelta(seconds=seconds)


def reason_not_to_send(record: JobRecord, at: datetime) -> JobError | None:
    """Why a claimed job is ended without being sent, None where it is to be sent."""
    if record.deadline_at is not None and record.deadline_at <= at:
        return JobError(code="timeout", message="The job's deadline passed before it was done.")
    if record.attempt > MAX_ATTEMPTS:
        return JobError(
            code="model_error", message=f"Given up after {MAX_ATTEMPTS} attempts without an end."
        )
    return None
