"""Brings jobs into the state that a test starts from, by the transitions themselves."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from imagerift_core import clock
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.claims import Claim
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.settlement import Settlements
from imagerift_core.quota import period_end
from imagerift_core.stored import Unreadable

from tests.support.job_records import broken, delivered, make_record

OWNER = "dispatcher-1"


async def queued(database: Database, **fields: Any) -> JobRecord:
    record = make_record(**fields)
    admitted = await Admissions(database).admit(record, resets_at=period_end(record.created_at))
    assert admitted is not None
    return admitted


async def claim(
    database: Database, record: JobRecord, *, owner: str = OWNER, attempt: int | None = None
) -> JobRecord | None:
    moment = record.created_at + timedelta(seconds=1)
    wish = Claim(
        job_id=record.id,
        attempt=record.attempt if attempt is None else attempt,
        owner=owner,
        pool="default",
        resource_uid=f"uid-{record.id}",
        at=moment,
        attempt_deadline=moment + timedelta(seconds=120),
    )
    (claimed,) = await JobStore(database).claim_all([wish])
    assert not isinstance(claimed, Unreadable)
    return claimed


async def begin(jobs: JobStore, job_id: str, *, resource_uid: str | None = None) -> JobRecord:
    """Claims the first attempt of a job, now."""
    at = clock.now()
    uid = resource_uid or str(uuid.uuid4())
    (claimed,) = await jobs.claim_all([Claim(job_id, 0, OWNER, "default", uid, at, at)])
    assert isinstance(claimed, JobRecord)
    return claimed


async def processing(database: Database, *, owner: str = OWNER, **fields: Any) -> JobRecord:
    claimed = await claim(database, await queued(database, **fields), owner=owner)
    assert claimed is not None
    return claimed


async def in_status(database: Database, status: Status, **fields: Any) -> JobRecord:
    """A job that came to `status` the usual way."""
    if status is Status.QUEUED:
        return await queued(database, **fields)
    record = await processing(database, **fields)
    if status is Status.PROCESSING:
        return record
    if status is Status.CANCELED:
        await JobStore(database).ask_cancel(record.id, workspace=record.workspace, reason="by user")
    end = broken(record) if status is Status.FAILED else delivered(record)
    await Settlements(database).settle([end], at=record.created_at + timedelta(seconds=5))
    return await current(database, record)


async def current(database: Database, record: JobRecord) -> JobRecord:
    stored = await JobStore(database).get(record.id)
    assert stored is not None
    return stored


async def reserved_and_charged(database: Database, record: JobRecord) -> tuple[int, int]:
    """The (reserved, charged) units of the record's counter."""
    row = await database.counters.find_one({"_id": record.quota.counter})
    assert row is not None
    return row["reserved"], row["charged"]
