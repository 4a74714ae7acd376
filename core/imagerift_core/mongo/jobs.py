"""Reads of job records, and the sweeps' questions about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagerift_core.jobs import TERMINAL, JobRecord, Status
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated
from imagerift_core.object_keys import job_of_key

_LIVE = [Status.QUEUED.value, Status.PROCESSING.value]
_ENDED = [status.value for status in TERMINAL]
# Records of one batch are read without a pause for anybody else.
_BATCH = 200


@dataclass(frozen=True, slots=True)
class LiveResource:
    """A live job's resource, as its record names it."""

    job_id: str
    workspace: str
    name: str
    uid: str


@translated
async def get(database: Database, job_id: str, *, workspace: str | None = None) -> JobRecord | None:
    """The record, or None where there is none or it is another workspace's."""
    query: dict[str, Any] = {"_id": job_id}
    if workspace is not None:
        query["workspace"] = workspace
    document = await database.jobs.find_one(query)
    return JobRecord.model_validate(document) if document else None


@translated
async def get_many(database: Database, job_ids: Sequence[str]) -> dict[str, JobRecord]:
    """The records that exist, by id."""
    cursor = database.jobs.find({"_id": {"$in": list(job_ids)}})
    return {document["_id"]: JobRecord.model_validate(document) async for document in cursor}


@translated
async def page(
    database: Database,
    *,
    workspace: str,
    status: Sequence[str] = (),
    mode: str | None = None,
    batch_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int,
) -> list[JobRecord]:
    """Up to `limit` records of a workspace, newest first, after the cursor `before`."""
    query: dict[str, Any] = {"workspace": workspace}
    if status:
        query["status"] = {"$in": list(status)}
    if mode is not None:
        query["spec.mode"] = mode
    if batch_id is not None:
        query["batch_id"] = batch_id
    if metadata:
        query["$expr"] = {"$and": [_metadata_is(*pair) for pair in metadata.items()]}
    created: dict[str, Any] = {}
    if created_after is not None:
        created["$gt"] = created_after
    if created_before is not None:
        created["$lt"] = created_before
    if created:
        query["created_at"] = created
    if before is not None:
        moment, job_id = before
        # Bounds the index scan; the pair below only breaks ties within that instant.
        query["$and"] = [{"created_at": {"$lte": moment}}]
        query["$or"] = [
            {"created_at": {"$lt": moment}},
            {"created_at": moment, "_id": {"$lt": job_id}},
        ]
    cursor = database.jobs.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit)
    return [JobRecord.model_validate(document) async for document in cursor]


def _metadata_is(name: str, value: str) -> dict[str, Any]:
    """Names are the client's own, and may hold dots and dollar signs."""
    field = {"$getField": {"field": {"$literal": name}, "input": "$metadata"}}
    return {"$eq": [field, {"$literal": value}]}


@translated
async def by_generation_id(
    database: Database, generation_id: str, *, workspace: str
) -> JobRecord | None:
    """The workspace's record that has this output."""
    document = await database.jobs.find_one(
        {"outputs.generation_id": generation_id, "workspace": workspace}
    )
    return JobRecord.model_validate(document) if document else None


@translated
async def source_of(database: Database, *, workspace: str, key: str) -> JobRecord | None:
    """The workspace's record that names `key` as its source or as an output."""
    owner = job_of_key(key)
    if owner is None or owner[0] != workspace:
        return None
    record = await get(database, owner[1], workspace=workspace)
    if record is None:
        return None
    named = {record.source.key} | {output.key for output in record.outputs}
    return record if key in named else None


@translated
async def _stream(database: Database, query: dict[str, Any]) -> AsyncIterator[JobRecord]:
    async for document in database.jobs.find(query).batch_size(_BATCH):
        yield JobRecord.model_validate(document)


def without_resource(
    database: Database, *, namespace: str, created_before: datetime
) -> AsyncIterator[JobRecord]:
    """Queued API jobs whose resource was never seen."""
    return _stream(
        database,
        {
            "namespace": namespace,
            "status": Status.QUEUED.value,
            "origin": "api",
            "resource_uid": None,
            "created_at": {"$lt": created_before},
        },
    )


@translated
async def live_resources(
    database: Database, *, namespace: str, created_before: datetime
) -> AsyncIterator[LiveResource]:
    """The resources of the queued and processing records, where they were seen."""
    query = {
        "namespace": namespace,
        "status": {"$in": _LIVE},
        "resource_uid": {"$ne": None},
        "created_at": {"$lt": created_before},
    }
    fields = ["workspace", "resource_name", "resource_uid"]
    async for document in database.jobs.find(query, fields).batch_size(_BATCH):
        yield LiveResource(
            job_id=document["_id"],
            workspace=document["workspace"],
            name=document["resource_name"],
            uid=document["resource_uid"],
        )


def overdue(database: Database, *, namespace: str, at: datetime) -> AsyncIterator[JobRecord]:
    """Queued records whose deadline has passed."""
    query = {"namespace": namespace, "status": Status.QUEUED.value, "deadline_at": {"$lte": at}}
    return _stream(database, query)


def processing(database: Database, *, namespace: str) -> AsyncIterator[JobRecord]:
    return _stream(database, {"namespace": namespace, "status": Status.PROCESSING.value})


def expired(database: Database, *, namespace: str, at: datetime) -> AsyncIterator[JobRecord]:
    """Ended records whose retention is over."""
    return _stream(
        database,
        {"namespace": namespace, "expires_at": {"$lt": at}, "status": {"$in": _ENDED}},
    )
