"""Submits: from a valid body to an accepted job."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from imagerift_core import clock, quota
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import CapacityUnavailable, QuotaExhausted
from imagerift_core.generation import GenerationSpec, check_permitted
from imagerift_core.ids import new_job_id
from imagerift_core.jobs import JobRecord, QuotaHold, SourceImage
from imagerift_core.modes import Modes
from imagerift_core.mongo import jobs, transitions
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.database import Database, translated_errors

from imagerift_api.authentication import Caller
from imagerift_api.background import Background
from imagerift_api.metrics import Metrics
from imagerift_api.requests import GenerateBody
from imagerift_api.services.job_resources import JobResources
from imagerift_api.services.sources import Source, Sources

_ANSWER_SECONDS = 25.0
_log = structlog.get_logger()


class Submissions:
    """Accepts jobs, or leaves no trace of them."""

    def __init__(
        self,
        *,
        database: Database,
        modes: Modes,
        namespace: str,
        sources: Sources,
        resources: JobResources,
        background: Background,
        crash_points: CrashPoints,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._admissions = Admissions(database)
        self._modes = modes
        self._namespace = namespace
        self._sources = sources
        self._resources = resources
        self._background = background
        self._crash_points = crash_points
        self._metrics = metrics

    async def submit(
        self, caller: Caller, body: GenerateBody, *, request_id: str, traceparent: str
    ) -> JobRecord:
        """The accepted job. Whatever it raises, nothing is stored or reserved.

        From the first write on, the work goes to its end even if the client hangs up or this
        process is asked to stop.

        Raises the domain errors of every check, `QuotaExhausted` and `CapacityUnavailable`.
        """
        spec = body.spec()
        check_permitted(spec, self._modes, caller.plan)
        at = clock.now()
        hold = _hold(caller, spec, quota.period_of(at))
        async with translated_errors():
            # Saves the upload; the transaction is what decides.
            await self._admissions.check_room(hold, resets_at=quota.period_end(at))
        source = await self._sources.find(caller.workspace, body)
        job_id = new_job_id()
        draft = {
            "_id": job_id,
            "workspace": caller.workspace,
            "request_id": request_id,
            "key_id": caller.key_id,
            "namespace": self._namespace,
            "resource_name": job_id,
            "band": caller.plan.band,
            "retention_days": caller.plan.retention_days,
            "spec": spec,
            "quota": hold,
            "metadata": body.metadata,
            "traceparent": traceparent,
            "created_at": at,
            "deadline_at": at + timedelta(seconds=body.deadline_seconds),
        }
        task = self._background.start(self._accept(draft, source))
        try:
            return await asyncio.wait_for(asyncio.shield(task), _ANSWER_SECONDS)
        except TimeoutError:
            self._background.spawn("withdraw", self._withdraw(task))
            raise CapacityUnavailable("The job could not be accepted in time.") from None

    async def _accept(self, draft: dict[str, object], source: Source) -> JobRecord:
        job_id, workspace = str(draft["_id"]), str(draft["workspace"])
        image = await self._sources.keep(source, workspace, job_id)
        self._crash_points.reach("api-source-stored")
        record = await self._admit(JobRecord.model_validate(draft | {"source": image}), image)
        self._crash_points.reach("api-admitted")
        uid = await self._resources.create(record)
        self._crash_points.reach("api-resource-created")
        if uid is not None:
            self._background.spawn(
                "note_resource", transitions.note_resource(self._database, record.id, uid)
            )
        return record

    async def _admit(self, record: JobRecord, image: SourceImage) -> JobRecord:
        resets_at = quota.period_end(record.created_at)
        try:
            async with translated_errors():
                admitted = await self._admissions.admit(record, resets_at=resets_at)
        except QuotaExhausted:
            self._metrics.admission("quota_exhausted")
            await self._sources.drop(image.key)
            raise
        except CapacityUnavailable:
            self._metrics.admission("failed")
            return await self._after_doubt(record)
        if admitted is None:  # pragma: no cover - two equal random UUIDs
            await self._sources.drop(image.key)
            raise CapacityUnavailable("The job could not be accepted.")
        self._metrics.admission("accepted")
        return admitted

    async def _after_doubt(self, record: JobRecord) -> JobRecord:
        """What became of a commit that was not answered: the record itself says it.

        Where that cannot be read either, the source stays for the operator's sweep, which
        deletes what no record names; the job may have been accepted.
        """
        async with translated_errors():
            found = await jobs.get(self._database, record.id)
        if found is None:
            raise CapacityUnavailable("The job store does not answer.")
        return found

    async def _withdraw(self, task: asyncio.Task[JobRecord]) -> None:
        """Cancels a job that was accepted after its client had been told that it was not."""
        record = await task
        _log.warning("late_job_withdrawn", job=record.id)
        await transitions.cancel(
            self._database,
            record.id,
            workspace=record.workspace,
            reason="not_accepted_in_time",
            at=clock.now(),
        )


def _hold(caller: Caller, spec: GenerationSpec, period: str) -> QuotaHold:
    limit = caller.plan.units_per_month
    return QuotaHold(
        counter=quota.counter_id(caller.plan.quota_scope, caller.workspace, period),
        scope=caller.plan.quota_scope,
        limit=limit,
        units=spec.variations,
        remaining=limit,
        remaining_after_queue=limit,
    )
