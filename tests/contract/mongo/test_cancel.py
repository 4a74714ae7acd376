"""queued → canceled at once, processing → canceled by settlement; units are released once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from imagerift_core.errors import JobNotCancelable, JobNotFound
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.settlement import Settlements

from tests.support import job_states
from tests.support.job_records import WORKSPACE, broken, delivered

NOT_QUEUED = [status for status in Status if status is not Status.QUEUED]
NOT_PROCESSING = [status for status in Status if status is not Status.PROCESSING]


async def cancel(database: Database, record: JobRecord, reason: str = "by user") -> JobRecord:
    return await JobStore(database).cancel(
        record.id,
        workspace=record.workspace,
        reason=reason,
        at=record.created_at + timedelta(seconds=9),
    )


async def test_a_queued_job_is_canceled_at_once_and_uncharged(database: Database) -> None:
    record = await job_states.queued(database, units=4, retention_days=7)
    canceled = await cancel(database, record, reason="$by {user}")
    assert canceled.status is Status.CANCELED
    assert canceled.cancel_reason == "$by {user}"
    assert canceled.completed_at == record.created_at + timedelta(seconds=9)
    assert canceled.expires_at == record.created_at + timedelta(days=7, seconds=9)
    assert (canceled.quota.state, canceled.quota.charged_units) == ("released", 0)
    assert await job_states.current(database, record) == canceled
    assert await job_states.reserved_and_charged(database, record) == (0, 0)


async def test_concurrent_cancels_release_once(database: Database) -> None:
    record = await job_states.queued(database, units=3)
    await job_states.queued(database, units=5)
    answers = await asyncio.gather(*(cancel(database, record, f"no {n}") for n in range(30)))
    assert {answer.status for answer in answers} == {Status.CANCELED}
    assert len({answer.cancel_reason for answer in answers}) == 1
    assert await job_states.reserved_and_charged(database, record) == (5, 0)
    assert await QuotaAudit(database).differences() == []


@pytest.mark.parametrize("status", NOT_QUEUED)
async def test_only_a_queued_job_is_canceled_at_once(database: Database, status: Status) -> None:
    record = await job_states.in_status(database, status)
    before = await job_states.reserved_and_charged(database, record)
    outcome = await JobStore(database).cancel_queued(
        record.id, workspace=WORKSPACE, reason="late", at=record.created_at
    )
    assert outcome is None
    assert await job_states.current(database, record) == record
    assert await job_states.reserved_and_charged(database, record) == before


@pytest.mark.parametrize("status", NOT_PROCESSING)
async def test_a_cancel_is_only_asked_of_a_processing_job(
    database: Database, status: Status
) -> None:
    record = await job_states.in_status(database, status)
    outcome = await JobStore(database).ask_cancel(record.id, workspace=WORKSPACE, reason="late")
    assert outcome is None
    assert await job_states.current(database, record) == record


async def test_the_first_reason_of_a_cancel_stays(database: Database) -> None:
    record = await job_states.processing(database)
    for reason in ("first", "second"):
        asked = await cancel(database, record, reason)
        assert asked.status is Status.PROCESSING
        assert asked.cancel_requested
        assert asked.cancel_reason == "first"
    assert await job_states.reserved_and_charged(database, record) == (1, 0)


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
async def test_a_job_that_ended_otherwise_refuses_to_be_canceled(
    database: Database, status: Status
) -> None:
    record = await job_states.in_status(database, status)
    with pytest.raises(JobNotCancelable):
        await cancel(database, record)
    assert await job_states.current(database, record) == record


async def test_a_canceled_job_answers_the_same_again(database: Database) -> None:
    record = await job_states.in_status(database, Status.CANCELED)
    assert await cancel(database, record, "again") == record


async def test_another_workspaces_job_is_not_found_and_not_touched(database: Database) -> None:
    for record in (await job_states.queued(database), await job_states.processing(database)):
        with pytest.raises(JobNotFound):
            await JobStore(database).cancel(
                record.id, workspace="ws_other", reason="x", at=record.created_at
            )
        assert await job_states.current(database, record) == record


@pytest.mark.parametrize("end", [delivered, broken])
async def test_a_cancel_that_was_accepted_is_never_charged(database: Database, end: object) -> None:
    """A cancel races the settlement: a 200 means canceled, a 409 means it came too late."""
    make_end = delivered if end is delivered else broken
    for _ in range(15):
        record = await job_states.processing(database, units=2)

        async def ask(record: JobRecord = record) -> bool:
            try:
                await cancel(database, record)
            except JobNotCancelable:
                return False
            return True

        accepted, _ = await asyncio.gather(
            ask(), Settlements(database).settle([make_end(record)], at=record.created_at)
        )
        stored = await job_states.current(database, record)
        assert (stored.status is Status.CANCELED) == accepted
        assert (stored.quota.charged_units > 0) == (not accepted and make_end is delivered)
    assert await QuotaAudit(database).differences() == []


async def test_cancel_meets_requeue_and_claim_and_still_ends_canceled(database: Database) -> None:
    """Whatever else moves the job meanwhile, an accepted cancel is not lost."""
    for _ in range(10):
        record = await job_states.processing(database)

        async def bounce(record: JobRecord = record) -> None:
            again = await JobStore(database).requeue(
                record.id, attempt=1, owner=job_states.OWNER, failed=False
            )
            if again is not None:
                await job_states.claim(database, again, owner="other")

        await asyncio.gather(cancel(database, record), bounce())
        stored = await job_states.current(database, record)
        assert stored.cancel_requested
        if stored.status is Status.PROCESSING:
            result = await Settlements(database).settle([delivered(stored)], at=record.created_at)
            stored = result.settled[record.id]
        assert stored.status is Status.CANCELED
    assert await job_states.reserved_and_charged(database, record) == (0, 0)
    assert await QuotaAudit(database).differences() == []
