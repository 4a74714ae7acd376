"""queued → processing and back: one write decides, and only the holder may give back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.claims import Claim
from imagerift_core.mongo.jobs import JobStore

from tests.support import job_states

ENDED_OR_HELD = [status for status in Status if status is not Status.QUEUED]
NOT_PROCESSING = [status for status in Status if status is not Status.PROCESSING]


async def test_a_claim_begins_the_next_attempt_under_its_owner(database: Database) -> None:
    record = await job_states.queued(database)
    claimed = await job_states.claim(database, record, owner="a")
    assert claimed is not None
    assert claimed.status is Status.PROCESSING
    assert (claimed.attempt, claimed.owner, claimed.pool) == (1, "a", "default")
    assert claimed.resource_uid == f"uid-{record.id}"
    assert claimed.started_at == record.created_at + timedelta(seconds=1)
    assert claimed.attempt_deadline_at == record.created_at + timedelta(seconds=121)
    assert await job_states.current(database, record) == claimed


async def test_of_many_claims_of_one_attempt_one_wins(database: Database) -> None:
    record = await job_states.queued(database)
    outcomes = await asyncio.gather(
        *(job_states.claim(database, record, owner=f"owner-{number}") for number in range(40))
    )
    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    stored = await job_states.current(database, record)
    assert stored.owner == winner.owner
    assert stored.attempt == 1


async def test_a_claim_with_a_stale_attempt_loses(database: Database) -> None:
    record = await job_states.processing(database)
    again = await JobStore(database).requeue(
        record.id, attempt=1, owner=job_states.OWNER, failed=True
    )
    assert again is not None
    assert await job_states.claim(database, again, attempt=0) is None
    assert await job_states.claim(database, again, attempt=2) is None
    second = await job_states.claim(database, again, attempt=1)
    assert second is not None
    assert second.attempt == 2


@pytest.mark.parametrize("status", ENDED_OR_HELD)
async def test_only_a_queued_job_can_be_claimed(database: Database, status: Status) -> None:
    record = await job_states.in_status(database, status)
    assert await job_states.claim(database, record, owner="b") is None
    assert await job_states.current(database, record) == record


async def test_a_queued_job_with_a_cancel_asked_cannot_be_claimed(database: Database) -> None:
    record = await job_states.queued(database)
    await database.jobs.update_one({"_id": record.id}, {"$set": {"cancel_requested": True}})
    assert await job_states.claim(database, record) is None


async def test_of_a_claim_and_a_cancel_at_once_exactly_one_decides(database: Database) -> None:
    for _ in range(15):
        record = await job_states.queued(database)
        claimed, canceled = await asyncio.gather(
            job_states.claim(database, record),
            JobStore(database).cancel_queued(
                record.id,
                workspace=record.workspace,
                reason="by user",
                at=record.created_at,
            ),
        )
        assert (claimed is None) != (canceled is None)
        stored = await job_states.current(database, record)
        assert stored.status is (Status.CANCELED if canceled else Status.PROCESSING)


@pytest.mark.parametrize(("failed", "failures"), [(True, 1), (False, 0)])
async def test_only_a_failed_attempt_counts_as_a_failure(
    database: Database, failed: bool, failures: int
) -> None:
    record = await job_states.processing(database, units=2)
    later = record.created_at + timedelta(seconds=30)
    again = await JobStore(database).requeue(
        record.id, attempt=1, owner=job_states.OWNER, failed=failed, not_before=later
    )
    assert again is not None
    assert again.status is Status.QUEUED
    assert (again.owner, again.attempt, again.failures) == (None, 1, failures)
    assert again.not_before == later
    assert again.attempt_deadline_at is None
    assert await job_states.reserved_and_charged(database, record) == (2, 0)


async def test_an_attempt_is_given_up_once(database: Database) -> None:
    record = await job_states.processing(database)
    outcomes = await asyncio.gather(
        *(
            JobStore(database).requeue(record.id, attempt=1, owner=job_states.OWNER, failed=True)
            for _ in range(20)
        )
    )
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert (await job_states.current(database, record)).failures == 1


@pytest.mark.parametrize(
    ("attempt", "owner"), [(1, "other"), (0, job_states.OWNER), (2, job_states.OWNER)]
)
async def test_only_the_holder_may_give_an_attempt_back(
    database: Database, attempt: int, owner: str
) -> None:
    record = await job_states.processing(database)
    outcome = await JobStore(database).requeue(record.id, attempt=attempt, owner=owner, failed=True)
    assert outcome is None
    assert await job_states.current(database, record) == record


@pytest.mark.parametrize("status", NOT_PROCESSING)
async def test_only_a_processing_job_is_requeued(database: Database, status: Status) -> None:
    record = await job_states.in_status(database, status)
    for owner in (job_states.OWNER, ""):
        outcome = await JobStore(database).requeue(
            record.id, attempt=record.attempt, owner=owner, failed=False
        )
        assert outcome is None
    assert await job_states.current(database, record) == record


async def test_a_job_with_a_cancel_asked_never_goes_back_to_the_queue(database: Database) -> None:
    record = await job_states.processing(database)
    await JobStore(database).ask_cancel(record.id, workspace=record.workspace, reason="by user")
    outcome = await JobStore(database).requeue(
        record.id, attempt=1, owner=job_states.OWNER, failed=True
    )
    assert outcome is None
    assert (await job_states.current(database, record)).status is Status.PROCESSING


async def test_the_first_resource_seen_stays_on_record(database: Database) -> None:
    record = await job_states.queued(database)
    for uid in ("first", "second"):
        await JobStore(database).set_resource_uids({record.id: uid})
    assert (await job_states.current(database, record)).resource_uid == "first"


async def test_a_job_of_another_resource_cannot_be_claimed(database: Database) -> None:
    record = await job_states.queued(database)
    await JobStore(database).set_resource_uids({record.id: "another"})
    assert await job_states.claim(database, record) is None
    assert (await job_states.current(database, record)).status is Status.QUEUED
    seen = await job_states.queued(database)
    await JobStore(database).set_resource_uids({seen.id: f"uid-{seen.id}"})
    assert await job_states.claim(database, seen) is not None


def claim_of(record: JobRecord, *, owner: str = "a", attempt: int = 0) -> Claim:
    moment = record.created_at + timedelta(seconds=1)
    return Claim(record.id, attempt, owner, "default", f"uid-{record.id}", moment, moment)


async def test_claims_made_together_are_decided_one_by_one(database: Database) -> None:
    queued, stale = [await job_states.queued(database) for _ in range(2)]
    held = await job_states.processing(database)
    claims = [claim_of(queued), claim_of(stale, attempt=1), claim_of(held)]
    claimed, *lost = await JobStore(database).claim_all(claims)
    assert lost == [None, None]
    assert isinstance(claimed, JobRecord)
    assert (claimed.attempt, claimed.owner, claimed.status) == (1, "a", Status.PROCESSING)
    for record in (queued, stale, held):
        expected = claimed if record is queued else record
        assert await job_states.current(database, record) == expected


async def test_of_groups_that_claim_the_same_jobs_each_job_goes_to_one(database: Database) -> None:
    records = [await job_states.queued(database) for _ in range(12)]
    groups = await asyncio.gather(
        *(
            JobStore(database).claim_all(
                [claim_of(record, owner=f"o{number}") for record in records]
            )
            for number in range(8)
        )
    )
    for index, record in enumerate(records):
        (winner,) = [group[index] for group in groups if group[index] is not None]
        assert winner == await job_states.current(database, record)


async def test_a_claim_made_again_is_not_taken_for_the_first(database: Database) -> None:
    """Whoever did not hear of its own claim must not believe that a later one was granted."""
    first, other = [await job_states.queued(database) for _ in range(2)]
    await JobStore(database).claim_all([claim_of(first), claim_of(other)])
    later = replace(claim_of(first), at=first.created_at + timedelta(seconds=9))
    assert await JobStore(database).claim_all([later, claim_of(other, attempt=1)]) == [None, None]


async def test_uids_are_noted_together_and_the_first_stays(database: Database) -> None:
    known = await job_states.processing(database)
    new = await job_states.queued(database)
    await JobStore(database).set_resource_uids({known.id: "late", new.id: "uid", "gone": "x"})
    assert (await job_states.current(database, known)).resource_uid == f"uid-{known.id}"
    assert (await job_states.current(database, new)).resource_uid == "uid"
