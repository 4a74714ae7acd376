"""What the API, the sweeps and the scheduler read."""

from __future__ import annotations

from datetime import timedelta

from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.job_lists import JobFilter
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.scheduler_snapshot import (
    STALE_AFTER,
    QueuePosition,
    SchedulerSnapshot,
    SnapshotStore,
)

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, make_record


async def put(database: Database, record: JobRecord) -> JobRecord:
    await database.jobs.insert_one(record.document())
    return record


async def test_a_record_comes_back_as_it_was_stored(database: Database) -> None:
    for status in Status:
        record = await job_states.in_status(
            database, status, metadata={"a.b": "$c"}, key_id="key_1"
        )
        assert await JobStore(database).get(record.id) == record
        assert JobRecord.model_validate(record.document()) == record


async def test_another_workspaces_record_reads_as_none(database: Database) -> None:
    record = await put(database, make_record())
    assert await JobStore(database).get(record.id, workspace=record.workspace) == record
    assert await JobStore(database).get(record.id, workspace="ws_other") is None
    assert await JobStore(database).get("gone") is None


async def test_many_are_read_by_id(database: Database) -> None:
    records = [await put(database, make_record()) for _ in range(3)]
    found = await JobStore(database).get_many([r.id for r in records[:2]] + ["gone"])
    assert found == {record.id: record for record in records[:2]}


async def test_pages_walk_every_record_once_newest_first(database: Database) -> None:
    """Also where several were created in the same millisecond."""
    for number in range(9):
        await put(database, make_record(at=ACCEPTED_AT + timedelta(milliseconds=number // 4)))
    await put(database, make_record(workspace="ws_other"))
    seen: list[JobRecord] = []
    cursor = None
    while True:
        wanted = JobFilter(workspace="ws_test", before=cursor)
        page = await JobStore(database).page(wanted, limit=2)
        seen += page.records
        cursor = page.after
        if cursor is None:
            break
    keys = [(record.created_at, record.id) for record in seen]
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == 9


async def test_a_page_is_filtered(database: Database) -> None:
    records = [
        await put(
            database,
            make_record(status=status, at=ACCEPTED_AT + timedelta(hours=hour)),
        )
        for hour, status in enumerate([Status.QUEUED, Status.FAILED, Status.SUCCEEDED])
    ]

    async def ids(**filters: object) -> list[str]:
        wanted = JobFilter(workspace="ws_test", **filters)  # type: ignore[arg-type]
        found = await JobStore(database).page(wanted, limit=10)
        return [record.id for record in found.records]

    assert await ids(status=["queued", "failed"]) == [records[1].id, records[0].id]
    assert await ids(mode="style") == [record.id for record in reversed(records)]
    assert await ids(mode="avatar") == []
    assert await ids(created_after=records[0].created_at) == [records[2].id, records[1].id]
    assert await ids(created_before=records[1].created_at) == [records[0].id]


async def test_an_object_is_found_only_by_its_own_workspace(database: Database) -> None:
    record = await job_states.in_status(database, Status.SUCCEEDED)
    mask = record.source.model_copy(update={"key": record.source.key.replace("source", "mask")})
    await database.jobs.update_one({"_id": record.id}, {"$set": {"mask": mask.model_dump()}})
    record = record.model_copy(update={"mask": mask})
    for key in (record.source.key, mask.key, record.outputs[0].key):
        assert await JobStore(database).source_of(workspace="ws_test", key=key) == record
        assert await JobStore(database).source_of(workspace="ws_other", key=key) is None
    unnamed = record.source.key.replace("source", "9/output-0.png")
    for key in ("else", unnamed):
        assert await JobStore(database).source_of(workspace="ws_test", key=key) is None


async def test_the_sweeps_see_what_is_theirs(database: Database) -> None:
    by_status = {status: await job_states.in_status(database, status) for status in Status}
    queued = by_status[Status.QUEUED]
    await put(database, make_record(namespace="elsewhere"))
    await put(database, make_record(origin="kubectl"))
    seen = await put(database, make_record(resource_uid="seen"))
    await put(database, make_record(at=ACCEPTED_AT + timedelta(hours=1)))

    found = [
        record.id
        for record in await JobStore(database).without_resource(
            namespace="imagerift", created_before=ACCEPTED_AT + timedelta(seconds=1)
        )
    ]
    assert found == [queued.id]
    processing = by_status[Status.PROCESSING]
    young = make_record(resource_uid="young", at=ACCEPTED_AT + timedelta(hours=2))
    await put(database, young)
    before = ACCEPTED_AT + timedelta(hours=1)
    resources = [
        resource
        async for resource in JobStore(database).live_resources(
            namespace="imagerift", created_before=before
        )
    ]
    assert {(r.job_id, r.name, r.uid) for r in resources} == {
        (record.id, record.resource_name, record.resource_uid) for record in (seen, processing)
    }
    running = await JobStore(database).processing(namespace="imagerift")
    assert running == [processing]

    ended = [by_status[s] for s in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED)]
    for days, expected in ((29, set()), (31, {record.id for record in ended})):
        at = ACCEPTED_AT + timedelta(days=days)
        assert {
            record.id for record in await JobStore(database).expired(namespace="imagerift", at=at)
        } == expected


async def test_a_stale_snapshot_reads_as_none(database: Database) -> None:
    first = SchedulerSnapshot.model_validate({"_id": "imagerift", "at": ACCEPTED_AT, "places": {}})
    second = first.model_copy(
        update={
            "at": ACCEPTED_AT + timedelta(seconds=1),
            "places": {
                "job": QueuePosition(position=1, eta_seconds=0.4, reason="waiting_for_turn")
            },
        }
    )
    for snapshot in (first, second):
        await SnapshotStore(database).write(snapshot)
        assert await SnapshotStore(database).read("imagerift", at=snapshot.at) == snapshot
    late = second.at + STALE_AFTER
    assert await SnapshotStore(database).read("imagerift", at=late) is None
    assert await SnapshotStore(database).read("other", at=second.at) is None
