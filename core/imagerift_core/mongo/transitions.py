"""Single-record transitions. Each function is the one write that decides its transition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from imagerift_core.errors import JobNotCancelable, JobNotFound
from imagerift_core.jobs import TERMINAL, JobError, JobRecord, Status
from imagerift_core.mongo import deliveries
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated
from imagerift_core.mongo.transactions import Session

_TERMINAL_VALUES = [status.value for status in TERMINAL]


@dataclass(frozen=True)
class Claim:
    """A wish to begin attempt `attempt` + 1 of a job, sent to a pool, for this resource's uid."""

    job_id: str
    attempt: int
    owner: str
    pool: str
    resource_uid: str
    at: datetime
    attempt_deadline: datetime

    def query(self) -> dict[str, Any]:
        """Finds the job while it is as the claim takes it to be."""
        return {
            "_id": self.job_id,
            "status": Status.QUEUED.value,
            "attempt": self.attempt,
            "cancel_requested": False,
            "resource_uid": {"$in": [None, self.resource_uid]},
        }

    def update(self) -> dict[str, Any]:
        written = {
            "status": Status.PROCESSING.value,
            "owner": self.owner,
            "pool": self.pool,
            "resource_uid": self.resource_uid,
            "started_at": self.at,
            "attempt_deadline_at": self.attempt_deadline,
            "not_before": None,
        }
        return {"$set": written, "$inc": {"attempt": 1}}

    def holds(self, record: JobRecord) -> bool:
        """Whether this very claim was written and still stands."""
        return (
            record.status is Status.PROCESSING
            and record.owner == self.owner
            and record.attempt == self.attempt + 1
            and record.started_at == self.at
        )


@translated
async def claim(
    database: Database,
    job_id: str,
    *,
    attempt: int,
    owner: str,
    pool: str,
    resource_uid: str,
    at: datetime,
    attempt_deadline: datetime,
) -> JobRecord | None:
    """queued → processing: attempt `attempt` + 1 begins under `owner`.

    None where the job is no longer queued, was claimed since `attempt` was read, is asked to be
    canceled, or belongs to another resource than the one of `resource_uid`.
    """
    wish = Claim(job_id, attempt, owner, pool, resource_uid, at, attempt_deadline)
    (record,) = await claim_all(database, [wish])
    return record


@translated
async def claim_all(database: Database, wishes: Sequence[Claim]) -> list[JobRecord | None]:
    """What `claim` does, for many jobs in one round; each is decided by its own write."""
    if len(wishes) == 1:
        document = await database.jobs.find_one_and_update(
            wishes[0].query(), wishes[0].update(), return_document=True
        )
        return [JobRecord.model_validate(document) if document else None]
    await database.jobs.bulk_write(
        [UpdateOne(wish.query(), wish.update()) for wish in wishes], ordered=False
    )
    cursor = database.jobs.find({"_id": {"$in": [wish.job_id for wish in wishes]}})
    records = {d["_id"]: JobRecord.model_validate(d) async for d in cursor}
    return [
        record if (record := records.get(wish.job_id)) and wish.holds(record) else None
        for wish in wishes
    ]


@translated
async def requeue(
    database: Database,
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
    document = await database.jobs.find_one_and_update(
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
    return JobRecord.model_validate(document) if document else None


@translated
async def cancel(
    database: Database, job_id: str, *, workspace: str, reason: str, at: datetime
) -> JobRecord:
    """Cancels a queued job at once, or marks a processing one so that settlement cancels it.

    A canceled job is returned as it is. Raises `JobNotFound` or `JobNotCancelable`.
    """
    while True:
        record = await cancel_queued(database, job_id, workspace=workspace, reason=reason, at=at)
        if record is None:
            record = await ask_cancel(database, job_id, workspace=workspace, reason=reason)
        if record is not None:
            return record
        document = await database.jobs.find_one({"_id": job_id, "workspace": workspace})
        if document is None:
            raise JobNotFound("There is no such job.")
        current = JobRecord.model_validate(document)
        if current.status is Status.CANCELED:
            return current
        if current.status.terminal:
            raise JobNotCancelable(f"The job has already {current.status.value}.")


@translated
async def cancel_queued(
    database: Database, job_id: str, *, workspace: str, reason: str, at: datetime
) -> JobRecord | None:
    """queued → canceled, with release and webhooks in the same transaction. None where not
    queued."""

    return await _end_queued(
        database,
        {"_id": job_id, "workspace": workspace, "status": Status.QUEUED.value},
        {
            "status": Status.CANCELED.value,
            "cancel_requested": True,
            "cancel_reason": {"$literal": reason},
        },
        at=at,
    )


@translated
async def fail_overdue(database: Database, job_id: str, *, at: datetime) -> JobRecord | None:
    """queued → failed, of a job whose deadline passed while it waited; released, not charged.

    None where it is no longer queued, was asked to be canceled, or has time left.
    """
    error = JobError(code="timeout", message="The job's deadline passed before it was started.")

    return await _end_queued(
        database,
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
    database: Database, query: dict[str, Any], end: dict[str, Any], *, at: datetime
) -> JobRecord | None:
    """Ends a queued job that `query` finds; its units are released in the same transaction."""
    written = {
        "completed_at": at,
        "expires_at": {"$dateAdd": {"startDate": at, "unit": "day", "amount": "$retention_days"}},
        "quota.state": "released",
    }

    async def body(session: Session) -> JobRecord | None:
        document = await database.jobs.find_one_and_update(
            query, [{"$set": end | written}], return_document=True, session=session
        )
        if document is None:
            return None
        record = JobRecord.model_validate(document)
        await database.counters.update_one(
            {"_id": record.quota.counter},
            {"$inc": {"reserved": -record.quota.units}},
            session=session,
        )
        await deliveries.add(database, session, [record], at=at)
        return record

    return await database.transaction(body)


@translated
async def ask_cancel(
    database: Database, job_id: str, *, workspace: str, reason: str
) -> JobRecord | None:
    """Marks a processing job; from here on it can only end canceled. None where not processing."""
    document = await database.jobs.find_one_and_update(
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
    return JobRecord.model_validate(document) if document else None


@translated
async def note_resource(database: Database, job_id: str, resource_uid: str) -> None:
    """Keeps the uid of the resource once it was seen; the first one stays."""
    await note_resources(database, {job_id: resource_uid})


@translated
async def note_resources(database: Database, uids: Mapping[str, str]) -> None:
    """Keeps the uids of resources by job id; the first one of each job stays."""
    await database.jobs.bulk_write(
        [
            UpdateOne({"_id": job_id, "resource_uid": None}, {"$set": {"resource_uid": uid}})
            for job_id, uid in uids.items()
        ],
        ordered=False,
    )


@translated
async def forget(database: Database, job_id: str, *, at: datetime) -> bool:
    """terminal → deleted: the record goes, a tombstone of its id stays.

    The caller has already deleted the resource and every byte. The ledger keeps what was
    charged. False where there was no terminal record.
    """

    async def body(session: Session) -> bool:
        document = await database.jobs.find_one_and_delete(
            {"_id": job_id, "status": {"$in": _TERMINAL_VALUES}}, session=session
        )
        if document is None:
            return False
        await database.tombstones.insert_one({"_id": job_id, "at": at}, session=session)
        batch_id = document.get("batch_id")
        if batch_id is not None:
            # A batch goes with its last job; the count makes two last ones take turns.
            batch = await database.batches.find_one_and_update(
                {"_id": batch_id}, {"$inc": {"left": -1}}, return_document=True, session=session
            )
            if batch is not None and batch["left"] <= 0:
                await database.batches.delete_one({"_id": batch_id}, session=session)
        return True

    return await database.transaction(body)
