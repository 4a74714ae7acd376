"""A transaction may run its body again, and a commit may go unanswered; the outcome is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core.jobs import Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.settlement import Settlements
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import AutoReconnect, OperationFailure

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, delivered, make_record

CONFLICT = {"errorLabels": ["TransientTransactionError"], "code": 112}


@pytest.fixture
def conflicted(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database in which every transaction meets a conflict after its first run."""
    undisturbed = database.transaction

    async def transaction(body: Callable[[Any], Awaitable[Any]]) -> Any:
        runs = 0

        async def run_twice(session: Any) -> Any:
            nonlocal runs
            runs += 1
            result = await body(session)
            if runs == 1:
                raise OperationFailure("conflict", 112, CONFLICT)
            return result

        result = await undisturbed(run_twice)
        assert runs == 2
        return result

    monkeypatch.setattr(database, "transaction", transaction)
    return database


async def test_an_admission_that_runs_again_reserves_once(conflicted: Database) -> None:
    record = make_record(units=3)
    assert await Admissions(conflicted).admit(record, resets_at=ACCEPTED_AT) is not None
    assert await job_states.reserved_and_charged(conflicted, record) == (3, 0)
    assert await JobStore(conflicted).get(record.id) is not None


async def test_a_cancel_that_runs_again_releases_once(conflicted: Database) -> None:
    other = await job_states.queued(conflicted, units=5)
    record = await job_states.queued(conflicted, units=3)
    canceled = await JobStore(conflicted).cancel_queued(
        record.id, workspace=record.workspace, reason="by user", at=ACCEPTED_AT
    )
    assert canceled is not None
    assert canceled.status is Status.CANCELED
    assert await job_states.reserved_and_charged(conflicted, other) == (5, 0)


async def test_a_settlement_that_runs_again_charges_once(conflicted: Database) -> None:
    records = [await job_states.processing(conflicted, units=2) for _ in range(3)]
    result = await Settlements(conflicted).settle(
        [delivered(record) for record in records], at=ACCEPTED_AT
    )
    assert len(result.settled) == 3
    assert result.superseded == []
    assert await job_states.reserved_and_charged(conflicted, records[0]) == (0, 6)
    assert await QuotaAudit(conflicted).differences() == []


async def test_a_deletion_that_runs_again_leaves_one_tombstone(conflicted: Database) -> None:
    record = await job_states.in_status(conflicted, Status.FAILED)
    assert await JobStore(conflicted).forget(record.id, at=ACCEPTED_AT)
    assert await conflicted.tombstones.count_documents({}) == 1


@pytest.mark.parametrize("lost", ["the request", "the answer"])
async def test_a_commit_without_an_answer_is_asked_about_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    record = await job_states.processing(database, units=2)
    commit = AsyncIOMotorClientSession.commit_transaction
    commits = 0

    async def unanswered(session: Any) -> None:
        nonlocal commits
        commits += 1
        if commits > 1 or lost == "the answer":
            await commit(session)
        if commits == 1:
            trouble = AutoReconnect("away")
            trouble._add_error_label("UnknownTransactionCommitResult")
            raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(AsyncIOMotorClientSession, "commit_transaction", unanswered)
        result = await Settlements(database).settle([delivered(record)], at=ACCEPTED_AT)
    assert commits == 2
    assert result.settled == {record.id: await job_states.current(database, record)}
    assert await job_states.reserved_and_charged(database, record) == (0, 2)
    assert await QuotaAudit(database).differences() == []


async def test_transactions_that_meet_all_get_through(database: Database) -> None:
    record = await job_states.queued(database)

    async def raise_by_one(session: Any) -> None:
        await database.counters.update_one(
            {"_id": record.quota.counter}, {"$inc": {"charged": 1}}, session=session
        )
        await asyncio.sleep(0)
        await database.ledger.insert_one({"counter": record.quota.counter}, session=session)

    async with asyncio.timeout(timedelta(seconds=120).total_seconds()):
        await asyncio.gather(*(database.transaction(raise_by_one) for _ in range(30)))
    assert await job_states.reserved_and_charged(database, record) == (1, 30)
