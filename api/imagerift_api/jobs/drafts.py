"""From valid bodies to drafts of records, once plan and modes are seen to permit them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from imagerift_core import quota
from imagerift_core.errors import DomainError
from imagerift_core.generation import GenerationSpec, check_permitted
from imagerift_core.ids import new_job_id
from imagerift_core.job_pods import Execution, JobPods
from imagerift_core.jobs import JobRecord, QuotaHold, SourceImage
from imagerift_core.modes import Modes

from imagerift_api.auth.keys import Caller
from imagerift_api.http.requests import StoredSourceBody


@dataclass(frozen=True)
class RequestOrigin:
    """Which request jobs come from."""

    request_id: str
    traceparent: str


@dataclass(frozen=True)
class Draft:
    """A record but for its source, which is not stored yet."""

    job_id: str
    workspace: str
    hold: QuotaHold
    fields: dict[str, Any]

    def record(self, source: SourceImage) -> JobRecord:
        return JobRecord.model_validate(self.fields | {"source": source})


def check_and_draft(
    caller: Caller,
    bodies: Sequence[StoredSourceBody],
    modes: Modes,
    job_pods: JobPods | None,
    *,
    namespace: str,
    origin: RequestOrigin,
    at: datetime,
    batch_id: str | None = None,
) -> list[Draft]:
    """A draft for each body. Raises what `check_permitted` raises; `param` says for which."""
    drafts = []
    for index, body in enumerate(bodies):
        spec = body.spec()
        try:
            check_permitted(spec, modes, caller.plan)
        except DomainError as error:
            raise in_batch(error, index if batch_id else None) from None
        job_id = new_job_id()
        hold = _hold(caller, spec, quota.period_of(at))
        fields = {
            "_id": job_id,
            "workspace": caller.workspace,
            "request_id": origin.request_id,
            "key_id": caller.key_id,
            "batch_id": batch_id,
            "namespace": namespace,
            "resource_name": job_id,
            "band": caller.plan.band,
            "execution": _execution(caller, spec, job_pods),
            "retention_days": caller.plan.retention_days,
            "spec": spec,
            "quota": hold,
            "metadata": body.metadata,
            "webhook_url": body.webhook_url,
            "traceparent": origin.traceparent,
            "created_at": at,
            "deadline_at": at + timedelta(seconds=body.deadline_seconds),
        }
        drafts.append(Draft(job_id, caller.workspace, hold, fields))
    return drafts


def in_batch(error: DomainError, index: int | None) -> DomainError:
    """The error with the path of the job that it is about; `index` is None outside a batch."""
    if index is not None:
        error.param = f"jobs.{index}.{error.param}" if error.param else f"jobs.{index}"
    return error


def _execution(caller: Caller, spec: GenerationSpec, job_pods: JobPods | None) -> Execution:
    if job_pods is None:
        return "Pool"
    return job_pods.execution(plan=caller.plan_name, mode=spec.mode, export_size=spec.export_size)


def _hold(caller: Caller, spec: GenerationSpec, period: str) -> QuotaHold:
    limit = caller.plan.units_per_month
    return QuotaHold(
        counter=quota.counter_id(caller.workspace, period),
        scope=caller.plan.quota_scope,
        limit=limit,
        units=spec.variations,
        remaining=limit,
        remaining_after_queue=limit,
    )
