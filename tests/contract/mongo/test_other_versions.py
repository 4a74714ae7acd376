"""Records that another version wrote, or somebody damaged, among others that are read with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imagerift_core.errors import JobNotCancelable
from imagerift_core.jobs import SCHEMA_VERSION, JobRecord, Status
from imagerift_core.mongo import Database, Stores
from imagerift_core.mongo.claims import Claim
from imagerift_core.mongo.deliveries import Delivery
from imagerift_core.mongo.job_lists import JobFilter
from imagerift_core.mongo.rate_limited_reads import Poll
from imagerift_core.mongo.scheduler_snapshot import JobProgress, QueuePosition, SchedulerSnapshot
from imagerift_core.stored import Unreadable
from imagerift_core.webhooks import GIVEN_UP_AFTER, lane_of

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, delivered

NOON = datetime(2126, 11, 22, 12, 0, 30, tzinfo=UTC)
ALICE, BOB = "ws_alice", "ws_bob"
DAMAGE = {"spec": "no spec"}
GONE = {"resource_name": 7, "quota": None}


@pytest.fixture
def stores(database: Database) -> Stores:
    return Stores(database)


async def damaged(database: Database, record: JobRecord, **changes: Any) -> JobRecord:
    """The record, whose stored form cannot be read from here on."""
    await database.jobs.update_one({"_id": record.id}, {"$set": changes or DAMAGE})
    return record


async def two(database: Database, status: Status, **fields: Any) -> tuple[JobRecord, JobRecord]:
    """A damaged record of Alice's, which comes first wherever it can, and a sound one of Bob's."""
    sick = await job_states.in_status(database, status, workspace=ALICE, **fields)
    await damaged(database, sick)
    sound = await job_states.in_status(database, status, workspace=BOB, **fields)
    return sick, sound


def claim_of(record: JobRecord) -> Claim:
    at = record.created_at + timedelta(seconds=1)
    return Claim(record.id, 0, "a", "default", f"uid-{record.id}", at, at)


async def test_resources_of_the_others_are_told(database: Database, stores: Stores) -> None:
    sick, sound = [await job_states.processing(database) for _ in range(2)]
    await damaged(database, sick, **GONE)
    live = stores.jobs.live_resources(namespace="imagerift", created_before=NOON)
    assert [resource.job_id async for resource in live] == [sound.id]


async def test_a_poll_of_one_that_cannot_be_read_fails_alone(
    database: Database, stores: Stores
) -> None:
    sick, sound = await two(database, Status.QUEUED)
    reads = stores.rate_limited_reads
    answers = await asyncio.gather(
        *(
            reads.count_and_read(Poll(job.workspace, 30, NOON, job.id, job.workspace))
            for job in (sick, sound, sick, sound)
        ),
        return_exceptions=True,
    )
    for answer in answers[0::2]:
        assert isinstance(answer, Unreadable) and answer.id == sick.id
    for answer in answers[1::2]:
        assert not isinstance(answer, BaseException) and answer[1] == sound


@pytest.mark.parametrize("together", [False, True])
async def test_a_claim_of_one_that_cannot_be_read_is_taken_back_alone(
    database: Database, stores: Stores, *, together: bool
) -> None:
    sick, sound = await two(database, Status.QUEUED)
    before = await database.jobs.find_one({"_id": sick.id})
    wanted = [claim_of(sick), claim_of(sound)] if together else [claim_of(sick)]
    refused, *claimed = await stores.jobs.claim_all(wanted)
    assert isinstance(refused, Unreadable)
    assert [record for record in claimed if isinstance(record, JobRecord)] == claimed
    after = await database.jobs.find_one({"_id": sick.id})
    assert before is not None and after is not None
    kept = ("status", "attempt", "owner", "attempt_deadline_at")
    assert [after[name] for name in kept] == [before[name] for name in kept]


async def test_of_a_group_the_others_are_settled(database: Database, stores: Stores) -> None:
    sick, *sound = [await job_states.processing(database) for _ in range(4)]
    await damaged(database, sick)
    group = [delivered(record) for record in (sick, *sound)]
    result = await stores.settlements.settle(group, at=NOON)
    assert set(result.settled) == {record.id for record in sound}
    assert set(result.set_aside) == {sick.id}


async def test_many_by_id_say_which_cannot_be_read(database: Database, stores: Stores) -> None:
    """What a sweep takes for a missing record it deletes."""
    sick, sound = await two(database, Status.QUEUED)
    found = await stores.jobs.get_many([sick.id, sound.id, "gone"])
    assert isinstance(found.pop(sick.id), Unreadable)
    assert found == {sound.id: sound}


Found = Callable[[Stores], Awaitable[list[JobRecord]]]


@pytest.mark.parametrize(
    ("status", "find"),
    [
        (Status.PROCESSING, lambda stores: stores.jobs.processing(namespace="imagerift")),
        (Status.QUEUED, lambda stores: stores.jobs.overdue(namespace="imagerift", at=NOON)),
        (
            Status.QUEUED,
            lambda stores: stores.jobs.without_resource(namespace="imagerift", created_before=NOON),
        ),
    ],
)
async def test_sweeps_are_given_the_others(
    database: Database, stores: Stores, status: Status, find: Found
) -> None:
    _, sound = await two(database, status, deadline_at=ACCEPTED_AT)
    assert await find(stores) == [sound]


async def test_one_that_cannot_be_read_is_deleted_in_time(
    database: Database, stores: Stores
) -> None:
    sick, sound = await two(database, Status.SUCCEEDED)
    found = await stores.jobs.expired(namespace="imagerift", at=NOON)
    assert {(job.id, job.workspace, job.resource_uid) for job in found} == {
        (record.id, record.workspace, record.resource_uid) for record in (sick, sound)
    }
    assert await stores.jobs.forget(sick.id, at=NOON)
    assert await stores.jobs.get(sick.id) is None


async def test_pages_go_on_past_what_cannot_be_read(database: Database, stores: Stores) -> None:
    records = [
        await job_states.queued(database, at=ACCEPTED_AT + timedelta(seconds=n)) for n in range(6)
    ]
    for record in records[2:5]:
        await damaged(database, record)
    seen, place = [], None
    for _ in range(3):
        wanted = JobFilter(workspace="ws_test", before=place)
        page = await stores.jobs.page(wanted, limit=2)
        seen += page.records
        place = page.after
    assert seen == [records[5], records[1], records[0]]
    assert place is None


async def test_a_job_that_only_a_newer_version_may_run_is_not_claimed(
    database: Database, stores: Stores
) -> None:
    ours, theirs = [await job_states.queued(database) for _ in range(2)]
    newer = {"schema_version": SCHEMA_VERSION + 1}
    await database.jobs.update_one({"_id": theirs.id}, {"$set": newer})
    claimed = await stores.jobs.claim_all([claim_of(ours), claim_of(theirs)])
    assert isinstance(claimed[0], JobRecord) and claimed[1] is None
    assert await stores.jobs.claim_all([claim_of(theirs)]) == [None]


async def test_a_job_of_before_schema_versions_is_claimed(
    database: Database, stores: Stores
) -> None:
    record = await job_states.queued(database)
    await database.jobs.update_one({"_id": record.id}, {"$unset": {"schema_version": ""}})
    assert await job_states.claim(database, record) is not None


async def test_a_job_in_a_status_of_another_versions_is_not_canceled(
    database: Database, stores: Stores
) -> None:
    record = await damaged(database, await job_states.queued(database), status="paused")
    with pytest.raises(JobNotCancelable, match="paused"):
        async with asyncio.timeout(20):
            await stores.jobs.cancel(record.id, workspace="ws_test", reason="r", at=NOON)


async def test_a_queue_is_read_with_a_reason_of_another_versions(
    database: Database, stores: Stores
) -> None:
    place = QueuePosition(position=1, eta_seconds=None, reason="waiting_for_turn")
    places = {"ours": place, "theirs": place}
    progress = {"ours": JobProgress(attempt=1, stage="model", variation=0, share=0.5)}
    snapshot = SchedulerSnapshot.model_validate(
        {"_id": "s", "at": NOON, "places": places, "progress": progress}
    )
    await stores.snapshots.write(snapshot)
    changes = {"places.theirs.reason": "waiting_for_rain", "places.theirs.later": 1}
    changes |= {"progress.ours.stage": "dreaming", "progress.ours.later": 1}
    await database.snapshots.update_one({"_id": "s"}, {"$set": changes})
    read = await stores.snapshots.read("s", at=NOON)
    assert read is not None
    assert [each.reason for each in read.places.values()] == [
        "waiting_for_turn",
        "waiting_for_rain",
    ]
    assert str(read.progress["ours"].stage) == "dreaming"
    await database.snapshots.update_one({"_id": "s"}, {"$unset": {"progress": ""}})
    older = await stores.snapshots.read("s", at=NOON)
    assert older is not None
    assert older.progress == {}


async def test_other_deliveries_are_leased(database: Database, stores: Stores) -> None:
    for number, workspace in enumerate((ALICE, BOB)):
        url = "https://receiver.example/"
        delivery = Delivery(
            _id=f"evt_{number}",
            workspace=workspace,
            job="job",
            event="job.succeeded",
            target="job",
            url=url,
            created_at=ACCEPTED_AT,
            next_at=ACCEPTED_AT,
            lane=lane_of(workspace, url),
            give_up_at=ACCEPTED_AT + GIVEN_UP_AFTER,
        )
        row = delivery.model_dump(by_alias=True, exclude_none=True) | {"ready": True}
        await database.deliveries.insert_one(row)
    await database.deliveries.update_one({"workspace": ALICE}, {"$set": {"created_at": "soon"}})
    leased = await stores.delivery_queue.lease(holder="w", at=NOON, limit=8)
    assert [delivery.workspace for delivery in leased.deliveries] == [BOB]


async def test_lists_of_an_account_leave_out_what_cannot_be_read(
    database: Database, stores: Stores
) -> None:
    at = ACCEPTED_AT
    people = [{"_id": f"usr_{n}", "issuer": "i", "subject": str(n), "name": "n"} for n in range(2)]
    await database.people.insert_many(
        [person | {"created_at": at, "home": BOB} for person in people]
    )
    rows = [{"_id": f"{BOB}:{n}", "workspace": BOB, "person": f"usr_{n}"} for n in range(2)]
    await database.members.insert_many([row | {"role": "owner", "added_at": at} for row in rows])
    actor = {"kind": "person", "id": "usr_0", "name": "n"}
    log = [
        {"_id": f"log_{n}", "workspace": BOB, "at": at, "action": "key.created"} for n in range(2)
    ]
    await database.account_log.insert_many([row | {"actor": actor} for row in log])
    spaces = [{"_id": f"ws_{n}", "name": "n", "plan": "pro", "created_at": at} for n in range(2)]
    await database.workspaces.insert_many(spaces)
    for name, field in (("people", "home"), ("members", "role"), ("account_log", "actor")):
        collection = getattr(database, name)
        await collection.update_one({"_id": {"$regex": "1$"}}, {"$set": {field: 7}})
    await database.workspaces.update_one({"_id": "ws_1"}, {"$set": {"plan": 7}})
    assert [member.person for member in await stores.members.all_of(BOB)] == ["usr_0"]
    assert list(await stores.people.get_many(["usr_0", "usr_1"])) == ["usr_0"]
    assert list(await stores.workspaces.get_many(["ws_0", "ws_1"])) == ["ws_0"]
    # One that cannot be read ends no list.
    first = await stores.workspaces.page(after="", limit=1)
    assert [one.id for one in first.found] == ["ws_0"] and first.after == "ws_0"
    rest = await stores.workspaces.page(after="ws_0", limit=1)
    assert (rest.found, rest.after) == ([], None)
    assert [one.id for one in (await stores.people.page(after="", limit=9)).found] == ["usr_0"]
    assert len(await stores.account_log.page(BOB, before=None, limit=10)) == 1
