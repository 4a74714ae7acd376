"""How an attempt ended, decided from plain values before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagerift_core.jobs import (
    MAX_ATTEMPTS,
    Analysis,
    JobError,
    JobRecord,
    ModelVersion,
    OmittedOutput,
    Output,
    Status,
)


@dataclass(frozen=True)
class Settlement:
    """The end of one attempt, to be written only if that attempt still holds the job.

    An attempt with at least one delivered output succeeds and charges exactly those.
    """

    job_id: str
    attempt: int
    owner: str
    outputs: list[Output] = field(default_factory=list)
    omitted: list[OmittedOutput] = field(default_factory=list)
    error: JobError | None = None
    models: list[ModelVersion] = field(default_factory=list)
    preset_used: str | None = None
    stage_ms: dict[str, float] = field(default_factory=dict)
    analysis: Analysis | None = None

    @property
    def status(self) -> Status:
        return Status.SUCCEEDED if self.outputs else Status.FAILED


def may_retry(record: JobRecord, error: JobError) -> bool:
    """Whether a failed attempt may be followed by another one."""
    return (
        error.retryable and record.failures < record.backoff_limit and record.attempt < MAX_ATTEMPTS
    )


def backoff_seconds(failures: int) -> float:
    """The pause before the next attempt after `failures` failed ones: 1 s doubling to 60 s."""
    return float(min(60, 2 ** max(0, failures - 1)))
