"""Submits: from valid bodies to accepted jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web
from imagerift_core import clock, quota, telemetry
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import (
    CapacityUnavailable,
    DomainError,
    OutcomeUnknown,
    QueueFull,
    QuotaExhausted,
)
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo import Stores
from imagerift_core.mongo.batches import Batch
from imagerift_core.mongo.idempotency import KeyTaken
from imagerift_core.mongo.transactions import DOUBT_SECONDS

from imagerift_api.auth.keys import Caller
from imagerift_api.background import Background
from imagerift_api.http.idempotency import RequestKey
from imagerift_api.jobs.drafts import Draft, Drafts, RequestOrigin, in_batch
from imagerift_api.jobs.resources import JobResources
from imagerift_api.jobs.schemas import StoredSourceBody
from imagerift_api.jobs.sources import JobPictures, Sources
from imagerift_api.metrics import Metrics

_ANSWER_SECONDS = 25.0
_SOURCES_AT_ONCE = 4


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


@dataclass
class _Accepting:
    """A submit that passed every check which stores nothing. Once it is `begun`, only the job
    store knows what becomes of it; it is not begun after `begin_by` of the monotonic clock."""

    submit: Submit
    drafts: list[Draft]
    sources: list[JobPictures]
    begin_by: float
    begun: bool = False

    def in_doubt(self) -> OutcomeUnknown:
        """What the client is told where nobody knows whether the job was accepted."""
        submit = self.submit
        if submit.batch_id is not None:
            ids = {"batchId": submit.batch_id}
        else:
            ids = {"jobId": self.drafts[0].job_id}
        asked = "Send the request again with its key" if submit.key else "Ask for it by its id"
        return OutcomeUnknown(
            f"The job store did not say in time whether it was accepted. {asked}: "
            "after `settledBy` the answer is final.",
            ids=ids,
            settled_by=clock.now() + timedelta(seconds=DOUBT_SECONDS),
            retryable=submit.key is not None,
        )


class Submissions:
    """Accepts jobs, or leaves no trace of them."""

    def __init__(
        self,
        *,
        stores: Stores,
        drafts: Drafts,
        sources: Sources,
        resources: JobResources,
        background: Background,
        crash_points: CrashPoints,
        metrics: Metrics,
    ) -> None:
        self._stores = stores
        self._drafts = drafts
        self._sources = sources
        self._resources = resources
        self._background = background
        self._crash_points = crash_points
        self._metrics = metrics

    async def submit(self, submit: Submit) -> Accepted:
        """What was accepted, now or earlier under the same key.

        From the first write on, the work goes to its end even if the client hangs up or this
        process is asked to stop.

        Raises the domain errors of every check, `QuotaExhausted`, `QueueFull`, those of
        idempotency keys and `CapacityUnavailable`: then nothing is stored or reserved. Raises
        `OutcomeUnknown`, with the id, where the job store does not say what became of it.
        """
        key = submit.key
        if key is None:
            return await self._submit(submit)
        before = await key.accepted_before(self._stores.idempotency_keys, at=clock.now())
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
            before = await key.accepted_before(self._stores.idempotency_keys, at=clock.now())
            if before is None:
                raise
            return Accepted(before)

    async def _submit(self, submit: Submit) -> Accepted:
        accepting = await self._check(submit)
        task = self._background.start(self._accept(accepting))
        try:
            records = await asyncio.wait_for(asyncio.shield(task), _ANSWER_SECONDS)
        except TimeoutError:
            self._background.spawn("late_submit", task)
            if accepting.begun:
                raise accepting.in_doubt() from None
            raise CapacityUnavailable("The job could not be accepted in time.") from None
        return Accepted(submit.batch_id or records[0].id, records)

    async def _check(self, submit: Submit) -> _Accepting:
        caller = submit.caller
        drafts = await self._drafts.make(
            caller, submit.bodies, origin=submit.origin, batch_id=submit.batch_id
        )
        units = sum(draft.reservation.units for draft in drafts)
        # Saves the upload; the transaction is what decides.
        await self._stores.admissions.check_limits(
            drafts[0].reservation.model_copy(update={"units": units}),
            resets_at=quota.period_end(drafts[0].created_at),
            queue_limit=caller.plan.queue_units,
        )
        sources = []
        for index, body in enumerate(submit.bodies):
            try:
                sources.append(await self._sources.find_all(caller, body))
            except DomainError as error:
                raise in_batch(error, index if submit.batch_id else None) from error.__cause__
        return _Accepting(submit, drafts, sources, time.monotonic() + _ANSWER_SECONDS)

    async def _accept(self, accepting: _Accepting) -> list[JobRecord]:
        with telemetry.span("sources.keep"):
            records = await self._keep_sources(accepting)
        self._crash_points.reach("api-source-stored")
        with telemetry.span("jobs.admit"):
            admitted = await self._admit(accepting, records)
        self._crash_points.reach("api-admitted")
        if accepting.submit.batch_id is None:
            await self._resources.create(admitted[0])
        else:
            self._background.spawn("create_resources", self._create_resources(admitted))
        self._crash_points.reach("api-resource-created")
        return admitted

    async def _keep_sources(self, accepting: _Accepting) -> list[JobRecord]:
        """Stores a source for each draft; where one fails, none stays."""
        at_once = asyncio.Semaphore(_SOURCES_AT_ONCE)

        async def keep(draft: Draft, pictures: JobPictures) -> JobRecord:
            async with at_once:
                kept = await self._sources.keep_all(pictures, draft.workspace, draft.job_id)
            return draft.record(kept)

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

    async def _admit(self, accepting: _Accepting, records: list[JobRecord]) -> list[JobRecord]:
        submit = accepting.submit
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
        accepting.begun = True
        try:
            admitted = await self._stores.admissions.admit_all(
                records,
                resets_at=quota.period_end(at),
                claim=submit.key.claim(result, at=at) if submit.key else None,
                batch=batch,
                queue_limit=submit.caller.plan.queue_units,
                begin_by=accepting.begin_by,
            )
        except OutcomeUnknown as error:
            self._metrics.admission("unknown")
            return await self._after_doubt(accepting, records, error)
        except (DomainError, KeyTaken) as error:
            if isinstance(error, CapacityUnavailable):
                self._metrics.admission("failed")
            if isinstance(error, QuotaExhausted | QueueFull):
                self._metrics.admission(error.code)
            await self._drop_sources(records)
            raise
        if admitted is None:  # pragma: no cover - two equal random UUIDs
            await self._drop_sources(records)
            raise CapacityUnavailable("The job could not be accepted.")
        self._metrics.admission("accepted")
        return admitted

    async def _after_doubt(
        self, accepting: _Accepting, records: list[JobRecord], doubt: OutcomeUnknown
    ) -> list[JobRecord]:
        """The records, where a majority has them by now.

        Raises `OutcomeUnknown` where not: they may be there, or come. The sources stay for the
        operator's sweep, which deletes what no record names.
        """
        try:
            found = await self._stores.jobs.get_many([record.id for record in records])
        except CapacityUnavailable:
            found = {}
        admitted = [found.get(record.id) for record in records]
        # What was written a moment ago can be read, or something is wrong with it.
        known = [record for record in admitted if isinstance(record, JobRecord)]
        if len(known) != len(records):
            raise accepting.in_doubt() from doubt
        return known

    async def _drop_sources(self, records: Sequence[JobRecord]) -> None:
        await self._sources.drop([key for record in records for key in record.kept_keys])

    async def _create_resources(self, records: Sequence[JobRecord]) -> None:
        for record in records:
            await self._resources.create(record)


SUBMISSIONS = web.AppKey("submissions", Submissions)
