"""Bytes that the operator deletes: those of expired jobs, and those that no record names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.uploads import UploadStore
from imagerift_core.object_keys import attempt_prefix, job_prefix, mask_key
from imagerift_core.s3 import ObjectStore
from imagerift_operator.sweeps.storage import delete_expired_jobs, delete_orphaned_bytes

from tests.support import job_states
from tests.unit.operator.builders import isolation

NOTHING: Any = None


async def sweep(database: Database, store: ObjectStore, *, grace: timedelta) -> None:
    await delete_orphaned_bytes(
        isolation(), JobStore(database), UploadStore(database), store, grace=grace
    )


async def stored(store: ObjectStore, record: JobRecord) -> set[str]:
    prefix = job_prefix(record.workspace, record.id)
    return {item.key async for item in store.list_objects(prefix)}


async def succeeded(database: Database, store: ObjectStore) -> tuple[JobRecord, set[str]]:
    """A job with its bytes, and the keys of everything that belongs to it."""
    record = await job_states.in_status(database, Status.SUCCEEDED, units=2)
    mask = record.source.model_copy(update={"key": mask_key(record.workspace, record.id)})
    await database.jobs.update_one({"_id": record.id}, {"$set": {"mask": mask.model_dump()}})
    keys = {record.source.key, mask.key} | {key for one in record.outputs for key in one.keys}
    assert len(keys) == 6  # a source, its mask, two outputs, their thumbnails
    for key in keys:
        await store.put(key, b"pixels", content_type="image/webp")
    return record, keys


async def test_of_an_expired_job_nothing_is_left(database: Database, store: ObjectStore) -> None:
    record, _ = await succeeded(database, store)
    await database.jobs.update_one(
        {"_id": record.id}, {"$set": {"expires_at": record.created_at, "resource_uid": None}}
    )

    await delete_expired_jobs(
        isolation(), JobStore(database), store, NOTHING, namespace="imagerift"
    )

    assert await stored(store, record) == set()
    assert await JobStore(database).get(record.id) is None


async def test_bytes_of_a_lost_attempt_go_and_those_of_the_job_stay(
    database: Database, store: ObjectStore
) -> None:
    record, keys = await succeeded(database, store)
    lost = attempt_prefix(record.workspace, record.id, 9) + "thumbnail-0.webp"
    await store.put(lost, b"pixels", content_type="image/webp")

    # As if all of it had been written long ago.
    await sweep(database, store, grace=timedelta(seconds=-60))

    assert await stored(store, record) == keys


async def test_of_a_job_whose_record_cannot_be_read_everything_stays(
    database: Database, store: ObjectStore
) -> None:
    record, keys = await succeeded(database, store)
    await database.jobs.update_one({"_id": record.id}, {"$set": {"spec": "no spec"}})

    await sweep(database, store, grace=timedelta(seconds=-60))

    assert await stored(store, record) == keys
    await database.jobs.update_one({"_id": record.id}, {"$set": {"expires_at": record.created_at}})
    await database.jobs.update_one({"_id": record.id}, {"$set": {"resource_uid": None}})
    await delete_expired_jobs(
        isolation(), JobStore(database), store, NOTHING, namespace="imagerift"
    )
    assert await stored(store, record) == set()
