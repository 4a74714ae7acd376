"""Job records: what is asked of them, and each change of one as the one write that decides it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.read_concern import ReadConcern

from imagerift_core.errors import JobNotCancelable, JobNotFound
from imagerift_core.jobs import TERMINAL, JobError, JobRecord, Status
from imagerift_core.mongo import deliveries
from imagerift_core.mongo.claims import Claim
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.job_lists import (
    NEWEST_FIRST,
    ExpiredJob,
    JobFilter,
    LiveResource,
    RecordPage,
)
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.object_keys import job_of_key
from imagerift_core.stored import Unreadable, all_readable, read, readable, try_read

# Enough to say that there are many.
MOST_COUNTED = 1_000
_LIVE = [Status.QUEUED.value, Status.PROCESSING.value]
_ENDED = [status.value for status in TERMINAL]
# Records of one batch are read without a pause for anybody else.
_BATCH = 200
# How long a majority is waited for, where only a majority can tell.
_CERTAIN_MILLISECONDS = 5_000


class JobStore(Store):
    """Job records, but for how they begin, by `Admissions`, and end, by `Settlements`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._linearizable = database.jobs.with_options(read_concern=ReadConcern("linearizable"))

    async def get(self, job_id: str, *, workspace: str | None = None) -> JobRecord | None:
        """The record, or None where there is none or it is another workspace's."""
        query: dict[str, Any] = {"_id": job_id}
        if workspace is not None:
            query["workspace"] = workspace
        document = await self._database.jobs.find_one(query)
        return read(JobRecord, document) if document else None

    async def get_certain(self, job_id: str, *, workspace: str) -> JobRecord | None:
        """The record; None where no majority has it at this moment, which is asked before.

        A majority read says nothing of a write that the primary took and a majority has not
        seen yet; this one waits for it. Raises `CapacityUnavailable` where none comes in time.
        """
        document = await self._linearizable.find_one(
            {"_id": job_id, "workspace": workspace}, max_time_ms=_CERTAIN_MILLISECONDS
        )
        return read(JobRecord, document) if document else None

    async def settle_doubt(self) -> None:
        """Returns when a majority has every write that the primary took before.

        Raises `CapacityUnavailable` where none answers in time.
        """
        await self._linearizable.find_one({"_id": ""}, max_time_ms=_CERTAIN_MILLISECONDS)

    async def get_many(self, job_ids: Sequence[str]) -> dict[str, JobRecord | Unreadable]:
        """The records that exist, by id; one that cannot be read is there all the same."""
        cursor = self._database.jobs.find({"_id": {"$in": list(job_ids)}})
        return {document["_id"]: try_read(JobRecord, document) async for document in cursor}

    async def page(self, wanted: JobFilter, *, limit: int) -> RecordPage:
        """Up to `limit` records of a workspace, newest first."""
        found = self._database.jobs.find(wanted.query()).sort(NEWEST_FIRST).limit(limit + 1)
        documents = [document async for document in found]
        records = [try_read(JobRecord, document) for document in documents[:limit]]
        last = documents[limit - 1] if len(documents) > limit else None
        return RecordPage(
            [record for record in records if not isinstance(record, Unreadable)],
            after=(last["created_at"], last["_id"]) if last else None,
        )

    async def by_generation_id(self, generation_id: str, *, workspace: str) -> JobRecord | None:
        """The workspace's record that has this output."""
        document = await self._database.jobs.find_one(
            {"outputs.generation_id": generation_id, "workspace": workspace}
        )
        return read(JobRecord, document) if document else None

    async def source_of(self, *, workspace: str, key: str) -> JobRecord | None:
        """The workspace's record that names `key` as its source, its mask or an output."""
        owner = job_of_key(key)
        if owner is None or owner[0] != workspace:
            return None
        record = await self.get(owner[1], workspace=workspace)
        if record is None:
            return None
        named = {given.key for given in record.given} | {output.key for output in record.outputs}
        return record if key in named else None

    async def without_resource(
        self, *, namespace: str, created_before: datetime
    ) -> list[JobRecord]:
        """Queued API jobs whose resource was never seen."""
        return await self._all(
            {
                "namespace": namespace,
                "status": Status.QUEUED.value,
                "origin": "api",
                "resource_uid": None,
                "created_at": {"$lt": created_before},
            },
        )

    async def live_resources(
        self, *, namespace: str, created_before: datetime
    ) -> AsyncIterator[LiveResource]:
        """The resources of the queued and processing records, where they were seen."""
        query = {
            "namespace": namespace,
            "status": {"$in": _LIVE},
            "resource_uid": {"$ne": None},
            "created_at": {"$lt": created_before},
        }
        fields = ["workspace", "resource_name", "resource_uid"]
        found = self._database.jobs.find(query, fields).batch_size(_BATCH)
        async for resource in readable(LiveResource, found):
            yield resource

    async def live_in(self, workspace: str) -> int:
        """How many jobs of the workspace have not ended, counted up to `MOST_COUNTED`."""
        live = {"workspace": workspace, "status": {"$in": _LIVE}}
        return int(await self._database.jobs.count_documents(live, limit=MOST_COUNTED))

    async def overdue(self, *, namespace: str, at: datetime) -> list[JobRecord]:
        """Queued records whose deadline has passed."""
        query = {"namespace": namespace, "status": Status.QUEUED.value, "deadline_at": {"$lte": at}}
        return await self._all(query)

    async def processing(self, *, namespace: str) -> list[JobRecord]:
        return await self._all({"namespace": namespace, "status": Status.PROCESSING.value})

    async def expired(self, *, namespace: str, at: datetime) -> list[ExpiredJob]:
        """Ended records whose retention is over."""
        query = {"namespace": namespace, "expires_at": {"$lt": at}, "status": {"$in": _ENDED}}
        fields = ["workspace", "resource_name", "resource_uid"]
        cursor = self._database.jobs.find(query, fields).batch_size(_BATCH)
        return await all_readable(ExpiredJob, cursor)

    async def claim_all(self, claims: Sequence[Claim]) -> list[JobRecord | Unreadable | None]:
        """queued → processing, for many jobs in one round; each is decided by its own write.

        None where the job is no longer queued, was claimed since its `attempt` was read, is asked
        to be canceled, belongs to another resource, or asks for what only a newer version can
        make. One whose record cannot be read is queued as before. The same claim may be made again:
        where it was written, that is found.
        """
        jobs = self._database.jobs
        if len(claims) == 1:
            (claim,) = claims
            claimed = await jobs.find_one_and_update(
                claim.query(), claim.update(), return_document=True
            )
            if claimed is not None:
                return [await self._claimed(claim, claimed)]
        else:
            await jobs.bulk_write(
                [UpdateOne(wanted.query(), wanted.update()) for wanted in claims], ordered=False
            )
        cursor = jobs.find({"_id": {"$in": [wanted.job_id for wanted in claims]}})
        documents = {document["_id"]: document async for document in cursor}
        return [
            await self._claimed(wanted, document)
            if (document := documents.get(wanted.job_id)) and wanted.is_written_in(document)
            else None
            for wanted in claims
        ]

    async def _claimed(
        self, claim: Claim, document: dict[str, Any] | None
    ) -> JobRecord | Unreadable | None:
        record = try_read(JobRecord, document) if document else None
        if isinstance(record, Unreadable):
            await self._database.jobs.update_one(*claim.reversal())
        return record

    async def requeue(
        self,
        job_id: str,
        *,
        attempt: int,
        owner: str,
        failed: bool,
        not_before: datetime | None = None,
    ) -> JobRecord | None:
        """processing → queued: the attempt is given up and its owner cleared.

        `failed` counts against the backoff limit; a takeover does not. None where that attempt no
        longer holds the job, or where a cancel was asked for, which settlement has to answer.
        """
        document = await self._database.jobs.find_one_and_update(
            {
                "_id": job_id,
                "status": Status.PROCESSING.value,
                "attempt": attempt,
                "owner": owner,
                "cancel_requested": False,
            },
            {
                "$set": {
                    "status": Status.QUEUED.value,
                    "owner": None,
                    "attempt_deadline_at": None,
                    "not_before": not_before,
                },
                "$inc": {"failures": 1 if failed else 0},
            },
            return_document=True,
        )
        return read(JobRecord, document) if document else None

    async def count_preemption(self, job_id: str, *, attempt: int, owner: str) -> JobRecord | None:
        """Counts that the pod of this attempt was taken away; None where it holds the job no more.

        Nothing else of the job changes: neither its attempts nor its failures, nor its charge.
        """
        document = await self._database.jobs.find_one_and_update(
            {
                "_id": job_id,
                "status": Status.PROCESSING.value,
                "attempt": attempt,
                "owner": owner,
            },
            {"$inc": {"preemptions": 1}},
            return_document=True,
        )
        return read(JobRecord, document) if document else None

    async def cancel(self, job_id: str, *, workspace: str, reason: str, at: datetime) -> JobRecord:
        """Cancels a queued job at once, or marks a processing one so that settlement cancels it.

        A canceled job is returned as it is. Raises `JobNotFound` or `JobNotCancelable`.
        """
        while True:
            record = await self.cancel_queued(job_id, workspace=workspace, reason=reason, at=at)
            if record is None:
                record = await self.ask_cancel(job_id, workspace=workspace, reason=reason)
            if record is not None:
                return record
            current = await self.get_certain(job_id, workspace=workspace)
            if current is None:
                raise JobNotFound("There is no such job.")
            if current.status is Status.CANCELED:
                return current
            if current.status.terminal:
                raise JobNotCancelable(f"The job has already {current.status.value}.")
            if not current.status.known:
                raise JobNotCancelable(f"The job is {current.status.value}.")

    async def cancel_queued(
        self, job_id: str, *, workspace: str, reason: str, at: datetime
    ) -> JobRecord | None:
        """queued → canceled, with release and webhooks in the same transaction. None where not
        queued."""

        return await self._end_queued(
            {"_id": job_id, "workspace": workspace, "status": Status.QUEUED.value},
            {
                "status": Status.CANCELED.value,
                "cancel_requested": True,
                "cancel_reason": {"$literal": reason},
            },
            at=at,
        )

    async def fail_overdue(self, job_id: str, *, at: datetime) -> JobRecord | None:
        """queued → failed, of a job whose deadline passed while it waited; released, not charged.

        None where it is no longer queued, was asked to be canceled, or has time left.
        """
        error = JobError(code="timeout", message="The job's deadline passed before it was started.")

        return await self._end_queued(
            {
                "_id": job_id,
                "status": Status.QUEUED.value,
                "cancel_requested": False,
                "deadline_at": {"$lte": at},
            },
            {"status": Status.FAILED.value, "error": {"$literal": error.model_dump()}},
            at=at,
        )

    async def _end_queued(
        self, query: dict[str, Any], end: dict[str, Any], *, at: datetime
    ) -> JobRecord | None:
        """Ends a queued job that `query` finds; its units are released in the same transaction."""
        written = {
            "completed_at": at,
            "expires_at": {
                "$dateAdd": {"startDate": at, "unit": "day", "amount": "$retention_days"}
            },
            "quota.state": "released",
        }

        async def body(session: Session) -> JobRecord | None:
            document = await self._database.jobs.find_one_and_update(
                query, [{"$set": end | written}], return_document=True, session=session
            )
            if document is None:
                return None
            record = read(JobRecord, document)
            await self._database.counters.update_one(
                {"_id": record.quota.counter},
                {"$inc": {"reserved": -record.quota.units}},
                session=session,
            )
            await deliveries.add(self._database, session, [record], at=at)
            return record

        return await self._database.transaction(body)

    async def ask_cancel(self, job_id: str, *, workspace: str, reason: str) -> JobRecord | None:
        """Marks a processing job, which can only end canceled then. None where not processing."""
        document = await self._database.jobs.find_one_and_update(
            {"_id": job_id, "workspace": workspace, "status": Status.PROCESSING.value},
            [
                {
                    "$set": {
                        "cancel_requested": True,
                        "cancel_reason": {"$ifNull": ["$cancel_reason", {"$literal": reason}]},
                    }
                }
            ],
            return_document=True,
        )
        return read(JobRecord, document) if document else None

    async def set_resource_uids(self, uids: Mapping[str, str]) -> None:
        """Keeps the uids of resources by job id; the first one of each job stays."""
        await self._database.jobs.bulk_write(
            [
                UpdateOne({"_id": job_id, "resource_uid": None}, {"$set": {"resource_uid": uid}})
                for job_id, uid in uids.items()
            ],
            ordered=False,
        )

    async def forget(self, job_id: str, *, at: datetime) -> bool:
        """terminal → deleted: the record goes, a tombstone of its id stays.

        The caller has already deleted the resource and every byte. The ledger keeps what was
        charged. False where there was no terminal record.
        """

        async def body(session: Session) -> bool:
            document = await self._database.jobs.find_one_and_delete(
                {"_id": job_id, "status": {"$in": _ENDED}}, session=session
            )
            if document is None:
                return False
            await self._database.tombstones.insert_one({"_id": job_id, "at": at}, session=session)
            batch_id = document.get("batch_id")
            if batch_id is not None:
                # A batch goes with its last job; the count makes two last ones take turns.
                batch = await self._database.batches.find_one_and_update(
                    {"_id": batch_id}, {"$inc": {"left": -1}}, return_document=True, session=session
                )
                if batch is not None and batch["left"] <= 0:
                    await self._database.batches.delete_one({"_id": batch_id}, session=session)
            return True

        return await self._database.transaction(body)

    async def _all(self, query: dict[str, Any]) -> list[JobRecord]:
        cursor = self._database.jobs.find(query).batch_size(_BATCH)
        return await all_readable(JobRecord, cursor)
