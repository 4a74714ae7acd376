"""From valid bodies to drafts of records, once plan, modes and egress are seen to permit them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from imagerift_core import clock, quota
from imagerift_core.egress import Egress
from imagerift_core.errors import DomainError, InvalidRequest
from imagerift_core.generation import GenerationSpec, check_permitted, schema_version_of
from imagerift_core.ids import new_job_id
from imagerift_core.job_pods import Execution, JobPods
from imagerift_core.jobs import JobRecord, QuotaReservation
from imagerift_core.modes import Mode

from imagerift_api.auth.keys import Caller
from imagerift_api.jobs.kept_pictures import KeptPictures
from imagerift_api.jobs.offers import Offers
from imagerift_api.jobs.schemas import GenerateBody, StoredSourceBody
from imagerift_api.jobs.source_names import SOURCES, STORED_SOURCES, sent_by


@dataclass(frozen=True)
class RequestOrigin:
    """Which request jobs come from."""

    request_id: str
    traceparent: str


@dataclass(frozen=True)
class Draft:
    """A record but for its pictures, which are not stored yet."""

    job_id: str
    workspace: str
    created_at: datetime
    reservation: QuotaReservation
    fields: dict[str, Any]

    def record(self, pictures: KeptPictures) -> JobRecord:
        return JobRecord.model_validate(self.fields | vars(pictures))


class Drafts:
    """Makes drafts of what this installation and the caller's plan permit."""

    def __init__(
        self, offers: Offers, job_pods: JobPods | None, namespace: str, egress: Egress
    ) -> None:
        self._offers = offers
        self._job_pods = job_pods
        self._namespace = namespace
        self._egress = egress

    async def make(
        self,
        caller: Caller,
        bodies: Sequence[StoredSourceBody],
        *,
        origin: RequestOrigin,
        batch_id: str | None = None,
    ) -> list[Draft]:
        """A draft for each body, all of the same moment.

        Raises `InvalidRequest` for a `webhookUrl` that nothing may be sent to, for a source that is
        missing or that the mode takes none of, and what `check_permitted` and `Offers.check`
        raise; in a batch `param` says for which job.
        """
        await self._check_webhook_urls(caller, bodies, in_batch=batch_id is not None)
        modes = await self._offers.modes()
        at, drafts = clock.now(), []
        for index, body in enumerate(bodies):
            spec = body.spec()
            try:
                check_source(body, check_permitted(spec, modes, caller.plan))
                await self._offers.check(spec, references=len(body.reference_keys))
            except DomainError as error:
                raise in_batch(error, index if batch_id else None) from None
            job_id = new_job_id()
            reservation = _reservation(caller, spec, quota.period_of(at))
            fields = {
                "_id": job_id,
                "workspace": caller.workspace,
                "request_id": origin.request_id,
                "key_id": caller.key_id,
                "batch_id": batch_id,
                "namespace": self._namespace,
                "resource_name": job_id,
                "band": caller.plan.band,
                "execution": self._execution(caller, spec),
                "retention_days": caller.plan.retention_days,
                "spec": spec,
                "schema_version": schema_version_of(spec, references=bool(body.reference_keys)),
                "quota": reservation,
                "metadata": body.metadata,
                "webhook_url": body.webhook_url,
                "traceparent": origin.traceparent,
                "created_at": at,
                "deadline_at": at + timedelta(seconds=body.deadline_seconds),
            }
            drafts.append(Draft(job_id, caller.workspace, at, reservation, fields))
        return drafts

    async def _check_webhook_urls(
        self, caller: Caller, bodies: Sequence[StoredSourceBody], *, in_batch: bool
    ) -> None:
        first = {body.webhook_url: index for index, body in reversed([*enumerate(bodies)])}
        await asyncio.gather(
            *(
                self._egress.check(
                    url,
                    param=f"jobs.{index}.webhookUrl" if in_batch else "webhookUrl",
                    workspace=caller.workspace,
                )
                for url, index in first.items()
                if url is not None
            )
        )

    def _execution(self, caller: Caller, spec: GenerationSpec) -> Execution:
        if self._job_pods is None:
            return "Pool"
        return self._job_pods.execution(
            plan=caller.plan_name, mode=spec.mode, export_size=spec.largest_size
        )


def check_source(body: StoredSourceBody, mode: Mode) -> None:
    """Raises `InvalidRequest` where a source is missing, or sent to a mode that looks at none."""
    sent = sent_by(body)
    names = SOURCES if isinstance(body, GenerateBody) else STORED_SOURCES
    if mode.takes_source and not set(sent) & set(names):
        wanted = ", ".join(names)
        raise InvalidRequest(f"Send exactly one of {wanted}; none came.", param=names[0])
    if not mode.takes_source and sent:
        raise InvalidRequest(
            f"{sent[0]} must be left out: mode '{body.mode}' looks at no picture.", param=sent[0]
        )


def in_batch(error: DomainError, index: int | None) -> DomainError:
    """The error with the path of the job that it is about; `index` is None outside a batch."""
    if index is not None:
        error.param = f"jobs.{index}.{error.param}" if error.param else f"jobs.{index}"
    return error


def _reservation(caller: Caller, spec: GenerationSpec, period: str) -> QuotaReservation:
    limit = caller.plan.units_per_month
    return QuotaReservation(
        counter=quota.counter_id(caller.workspace, period),
        scope=caller.plan.quota_scope,
        limit=limit,
        units=spec.pictures,
        remaining=limit,
        remaining_after_queue=limit,
    )
