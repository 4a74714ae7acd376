"""What is deleted: jobs and uploads whose time is over, and bytes that nothing names."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from imagerift_core.clock import now
from imagerift_core.kube import Kube
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.uploads import UploadStore
from imagerift_core.object_keys import job_of_key, job_prefix
from imagerift_core.s3 import ObjectStore

log = structlog.get_logger(__name__)

_JOBS_AT_ONCE = 500


async def delete_expired_jobs(
    jobs: JobStore, store: ObjectStore, kube: Kube, *, namespace: str
) -> None:
    """Deletes jobs whose retention is over: the resource, then the bytes, then the record."""
    for record in await jobs.expired(namespace=namespace, at=now()):
        if record.resource_uid is not None:
            await kube.delete_job(record.resource_name, uid=record.resource_uid)
        await store.delete_prefix(job_prefix(record.workspace, record.id))
        await jobs.forget(record.id, at=now())


async def delete_expired_uploads(
    uploads: UploadStore, store: ObjectStore, *, namespace: str
) -> None:
    """Deletes uploads that no job used in time: the bytes, then the record."""
    at = now()
    for upload in await uploads.expired(namespace=namespace, at=at):
        await store.delete([upload.key])
        await uploads.forget(upload.id, at=at)


async def delete_orphaned_bytes(jobs: JobStore, store: ObjectStore, *, grace: timedelta) -> None:
    """Deletes objects of jobs that no record names, left by attempts and processes that died.

    No upload of a live attempt is older than `grace`, and neither is a source whose job's
    admission may still be under way. One that is in doubt since before is settled first.
    """
    before = now() - grace
    await jobs.settle_doubt()
    batch: dict[str, list[str]] = {}
    async for item in store.list_objects("workspaces/"):
        owner = job_of_key(item.key)
        if owner is None or item.modified_at > before:
            continue
        batch.setdefault(owner[1], []).append(item.key)
        if len(batch) > _JOBS_AT_ONCE:
            await _delete_unnamed(jobs, store, batch, before)
            batch = {}
    await _delete_unnamed(jobs, store, batch, before)


async def _delete_unnamed(
    jobs: JobStore, store: ObjectStore, batch: dict[str, list[str]], before: datetime
) -> None:
    records = await jobs.get_many(list(batch))
    unreferenced = []
    for job_id, keys in batch.items():
        record = records.get(job_id)
        if record is None:
            unreferenced += keys
        elif record.status.terminal and (record.completed_at or before) <= before:
            unreferenced += [key for key in keys if key not in record.kept_keys]
    if unreferenced:
        log.info("orphaned_bytes_deleted", objects=len(unreferenced))
        await store.delete(unreferenced)
