"""terminal → deleted: the record goes, a tombstone stays, and so does what was charged."""

from __future__ import annotations

import asyncio

import pytest
from imagerift_core.jobs import Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT


@pytest.mark.parametrize("status", [s for s in Status if s.terminal])
async def test_an_ended_job_is_forgotten_once(database: Database, status: Status) -> None:
    record = await job_states.in_status(database, status, units=2)
    before = await job_states.reserved_and_charged(database, record)
    outcomes = await asyncio.gather(
        *(JobStore(database).forget(record.id, at=ACCEPTED_AT) for _ in range(10))
    )
    assert sorted(outcomes) == [False] * 9 + [True]
    assert await JobStore(database).get(record.id) is None
    assert await database.tombstones.find_one({"_id": record.id}) == {
        "_id": record.id,
        "at": ACCEPTED_AT,
    }
    assert await job_states.reserved_and_charged(database, record) == before
    assert await QuotaAudit(database).differences() == []


@pytest.mark.parametrize("status", [s for s in Status if not s.terminal])
async def test_a_live_job_is_not_forgotten(database: Database, status: Status) -> None:
    record = await job_states.in_status(database, status)
    assert not await JobStore(database).forget(record.id, at=ACCEPTED_AT)
    assert await job_states.current(database, record) == record
    assert await database.tombstones.count_documents({}) == 0


async def test_an_unknown_id_leaves_no_tombstone(database: Database) -> None:
    assert not await JobStore(database).forget("gone", at=ACCEPTED_AT)
    assert await database.tombstones.count_documents({}) == 0


async def test_tombstones_stay_seven_days(database: Database) -> None:
    indexes = await database.tombstones.index_information()
    assert indexes["at_1"]["expireAfterSeconds"] == 7 * 24 * 3600
