"""The audit finds every planted difference, and only those."""

from __future__ import annotations

from imagerift_core.jobs import Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.audit import Difference, QuotaAudit

from tests.support import job_states


async def test_an_empty_store_is_clean(database: Database) -> None:
    assert await QuotaAudit(database).differences() == []


async def test_a_store_with_jobs_in_every_state_is_clean(database: Database) -> None:
    for status in Status:
        await job_states.in_status(database, status, units=3)
    assert await QuotaAudit(database).differences() == []


async def test_a_wrong_counter_is_found(database: Database) -> None:
    record = await job_states.in_status(database, Status.SUCCEEDED, units=2)
    await job_states.queued(database, units=4)
    name = record.quota.counter
    await database.counters.update_one({"_id": name}, {"$inc": {"reserved": 1, "charged": -1}})
    assert await QuotaAudit(database).differences() == [
        Difference(name, "reserved", 5, 4),
        Difference(name, "charged", 1, 2),
    ]


async def test_a_lost_ledger_row_is_found(database: Database) -> None:
    record = await job_states.in_status(database, Status.SUCCEEDED, units=2)
    await database.ledger.delete_one({"_id": f"{record.id}:1"})
    assert await QuotaAudit(database).differences() == [
        Difference(record.quota.counter, "charged", 2, 1)
    ]


async def test_a_lost_live_record_is_found(database: Database) -> None:
    record = await job_states.queued(database, units=3)
    await database.jobs.delete_one({"_id": record.id})
    assert await QuotaAudit(database).differences() == [
        Difference(record.quota.counter, "reserved", 3, 0)
    ]


async def test_a_lost_counter_is_found(database: Database) -> None:
    record = await job_states.processing(database, units=3)
    await database.counters.delete_one({"_id": record.quota.counter})
    assert await QuotaAudit(database).differences() == [
        Difference(record.quota.counter, "reserved", 0, 3)
    ]
