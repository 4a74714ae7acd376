"""Submits: from valid bodies to accepted jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from imagerift_core import clock, quota, telemetry
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import CapacityUnavailable, DomainError, QueueFull, QuotaExhausted
from imagerift_core.job_pods import JobPods
from imagerift_core.jobs import JobRecord
from imagerift_core.modes import Modes
from imagerift_core.mongo import jobs, transitions
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.batches import Batch
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.idempotency import KeyTaken

from imagerift_api.authentication import Caller
from imagerift_api.background import Background
from imagerift_api.idempotency import RequestKey
from imagerift_api.metrics import Metrics
from imagerift_api.requests import StoredSourceBody
from imagerift_api.services.drafts import Draft, RequestOrigin, check_and_draft, in_batch
from imagerift_api.services.job_resources import JobResources
from imagerift_api.services.resource_notes import ResourceNotes
from imagerift_api.services.sources import Source, Sources
from imagerift_api.webhooks.egress import Egress

_ANSWER_SECONDS = 25.0
_SOURCES_AT_ONCE = 4
_log = structlog.get_logger()


@dataclass(frozen=True)
class Submit:
    """A request to accept one job, or a batch of jobs as a whole."""

    caller: Caller
    bodies: Sequence[StoredSourceBody]
    origin: RequestOrigin
    key: RequestKey | None = None
    batch_id: str | None = None


@dataclass(frozen=True)
class Accepted:
    """The id of the accepted job or batch, and its jobs where this very request had it accepted.

    Without records it was accepted earlier, under the same idempotency key.
    """

    id: str
    records: list[JobRecord] = field(default_factory=list)

    @property
    def replayed(self) -> bool:
        return not self.records


@dataclass(frozen=True)
class _Accepting:
    """A submit that passed every check which stores nothing."""

    submit: Submit
    drafts: list[Draft]
    sources: list[Source]


class Submissions:
    """Accepts jobs, or leaves no trace of them."""

    def __init__(
        self,
        *,
        database: Database,
        modes: Modes,
        job_pods: JobPods | None,
        namespace: str,
        sources: Sources,
        resources: JobResources,
        resource_notes: ResourceNotes,
        background: Background,
        crash_points: CrashPoints,
        metrics: Metrics,
        egress: Egress,
    ) -> None:
        self._egress = egress
        self._database = database
        self._admissions = Admissions(database)
        self._modes = modes
        self._job_pods = job_pods
        self._namespace = namespace
        self._sources = sources
        self._resources = resources
        self._resource_notes = resource_notes
        self._background = background
        self._crash_points = crash_points
        self._metrics = metrics

    async def submit(self, submit: Submit) -> Accepted:
        """What was accepted, now or earlier under the same key.

        Whatever this raises, nothing is stored or reserved. From the first write on, the work
        goes to its end even if the client hangs up or this process is asked to stop.

        Raises the domain errors of every check, `QuotaExhausted`, `QueueFull`, those of
        idempotency keys and `CapacityUnavailable`.
        """
        key = submit.key
        if key is None:
            return await self._submit(submit)
        before = await key.accepted_before(self._database, at=clock.now())
        if before is not None:
            return Accepted(before)
        try:
            return await self._submit(submit)
        except KeyTaken as taken:
            return Accepted(key.result_of(taken.accepted))
        except (CapacityUnavailable, asyncio.CancelledError):
            raise
        except DomainError:
            # What refused this one may be what another request with the key has just taken.
            before = await key.accepted_before(self._database, at=clock.now())
            if before is None:
                raise
            return Accepted(before)

    async def _submit(self, submit: Submit) -> Accepted:
        accepting = await self._check(submit)
        task = self._background.start(self._accept(accepting))
        try:
            records = await asyncio.wait_for(asyncio.shield(task), _ANSWER_SECONDS)
        except TimeoutError:
            if submit.key is None:
                self._background.spawn("withdraw", self._withdraw(task))
            # Else the jobs stay: whoever sends the key again is told of them.
            raise CapacityUnavailable("The job could not be accepted in time.") from None
        return Accepted(submit.batch_id or records[0].id, records)

    async def _check_webhook_urls(self, submit: Submit) -> None:
        first = {body.webhook_url: index for index, body in reversed([*enumerate(submit.bodies)])}
        await asyncio.gather(
            *(
                self._egress.check(
                    url,
                    param=f"jobs.{index}.webhookUrl" if submit.batch_id else "webhookUrl",
                    workspace=submit.caller.workspace,
                )
                for url, index in first.items()
                if url is not None
            )
        )

    async def _check(self, submit: Submit) -> _Accepting:
        await self._check_webhook_urls(submit)
        at = clock.now()
        caller = submit.caller
        drafts = check_and_draft(
            caller,
            submit.bodies,
            self._modes,
            self._job_pods,
            namespace=self._namespace,
            origin=submit.origin,
            at=at,
            batch_id=submit.batch_id,
        )
        units = sum(draft.hold.units for draft in drafts)
        # Saves the upload; the transaction is what decides.
        await self._admissions.check_room(
            drafts[0].hold.model_copy(update={"units": units}),
            resets_at=quota.period_end(at),
            queue_limit=caller.plan.queue_units,
        )
        sources = []
        for index, body in enumerate(submit.bodies):
            try:
                sources.append(await self._sources.find(caller, body))
            except DomainError as error:
                raise in_batch(error, index if submit.batch_id else None) from error.__cause__
        return _Accepting(submit, drafts, sources)

    async def _accept(self, accepting: _Accepting) -> list[JobRecord]:
        with telemetry.span("sources.keep"):
            records = await self._keep_sources(accepting)
        self._crash_points.reach("api-source-stored")
        with telemetry.span("jobs.admit"):
            admitted = await self._admit(accepting.submit, records)
        self._crash_points.reach("api-admitted")
        if accepting.submit.batch_id is None:
            await self._create_resource(admitted[0])
        else:
            self._background.spawn("create_resources", self._create_resources(admitted))
        self._crash_points.reach("api-resource-created")
        return admitted

    async def _keep_sources(self, accepting: _Accepting) -> list[JobRecord]:
        """Stores a source for each draft; where one fails, none stays."""
        turns = asyncio.Semaphore(_SOURCES_AT_ONCE)

        async def keep(draft: Draft, source: Source) -> JobRecord:
            async with turns:
                image = await self._sources.keep(source, draft.workspace, draft.job_id)
            return draft.record(image)

        pairs = zip(accepting.drafts, accepting.sources, strict=True)
        kept = await asyncio.gather(*(keep(*pair) for pair in pairs), return_exceptions=True)
        records = [item for item in kept if isinstance(item, JobRecord)]
        for index, item in enumerate(kept):
            if isinstance(item, BaseException):
                await self._drop_sources(records)
                if isinstance(item, DomainError) and accepting.submit.batch_id:
                    raise in_batch(item, index)
                raise item
        return records

    async def _admit(self, submit: Submit, records: list[JobRecord]) -> list[JobRecord]:
        at = records[0].created_at
        result = submit.batch_id or records[0].id
        batch = None
        if submit.batch_id is not None:
            batch = Batch(
                _id=submit.batch_id,
                workspace=submit.caller.workspace,
                request_id=submit.origin.request_id,
                jobs=[record.id for record in records],
                created_at=at,
            )
        try:
            admitted = await self._admissions.admit_all(
                records,
                resets_at=quota.period_end(at),
                claim=submit.key.claim(result, at=at) if submit.key else None,
                batch=batch,
                queue_limit=submit.caller.plan.queue_units,
            )
        except CapacityUnavailable:
            self._metrics.admission("failed")
            return await self._after_doubt(records)
        except (DomainError, KeyTaken) as error:
            if isinstance(error, QuotaExhausted | QueueFull):
                self._metrics.admission(error.code)
            await self._drop_sources(records)
            raise
        if admitted is None:  # pragma: no cover - two equal random UUIDs
            await self._drop_sources(records)
            raise CapacityUnavailable("The job could not be accepted.")
        self._metrics.admission("accepted")
        return admitted

    async def _after_doubt(self, records: list[JobRecord]) -> list[JobRecord]:
        """What became of a commit that was not answered: the records themselves say it.

        Where they cannot be read either, the sources stay for the operator's sweep, which
        deletes what no record names; the jobs may have been accepted.
        """
        found = await jobs.get_many(self._database, [record.id for record in records])
        if len(found) != len(records):
            raise CapacityUnavailable("The job store does not answer.")
        return [found[record.id] for record in records]

    async def _drop_sources(self, records: Sequence[JobRecord]) -> None:
        await self._sources.drop([record.source.key for record in records])

    async def _create_resources(self, records: Sequence[JobRecord]) -> None:
        for record in records:
            await self._create_resource(record)

    async def _create_resource(self, record: JobRecord) -> None:
        uid = await self._resources.create(record)
        if uid is not None:
            self._resource_notes.note(record.id, uid)

    async def _withdraw(self, task: asyncio.Task[list[JobRecord]]) -> None:
        """Cancels jobs that were accepted after their client had been told that they were not."""
        for record in await task:
            _log.warning("late_job_withdrawn", job=record.id)
            await transitions.cancel(
                self._database,
                record.id,
                workspace=record.workspace,
                reason="not_accepted_in_time",
                at=clock.now(),
            )
