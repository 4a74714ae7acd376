"""What is deleted: jobs and uploads whose time is over, and bytes that nothing names."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from imagerift_core.clock import now
from imagerift_core.kube import Kube
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.uploads import UploadStore
from imagerift_core.object_keys import job_of_key, job_prefix, upload_of_key
from imagerift_core.s3 import ObjectStore
from imagerift_core.stored import Unreadable

log = structlog.get_logger(__name__)

_JOBS_AT_ONCE = 500
_UPLOADS_AT_ONCE = 1_000
# A form may be posted for a day after its upload's row was made.
_UPLOAD_GRACE = timedelta(hours=25)


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


async def delete_orphaned_bytes(
    jobs: JobStore, uploads: UploadStore, store: ObjectStore, *, grace: timedelta
) -> None:
    """Deletes objects of jobs that no record names, left by attempts and processes that died, and
    uploads that have no row, as a restore of an older backup leaves them.

    No upload of a live attempt is older than `grace`, and neither is a source whose job's
    admission may still be under way. One that is in doubt since before is settled first.
    """
    before = now() - grace
    await jobs.settle_doubt()
    batch: dict[str, list[str]] = {}
    uploaded: dict[str, str] = {}
    async for item in store.list_objects("workspaces/"):
        upload = upload_of_key(item.key)
        if upload is not None and item.modified_at <= before - _UPLOAD_GRACE:
            uploaded[upload] = item.key
            if len(uploaded) > _UPLOADS_AT_ONCE:
                await _delete_without_row(uploads, store, uploaded)
                uploaded = {}
        owner = job_of_key(item.key)
        if owner is None or item.modified_at > before:
            continue
        batch.setdefault(owner[1], []).append(item.key)
        if len(batch) > _JOBS_AT_ONCE:
            await _delete_unnamed(jobs, store, batch, before)
            batch = {}
    await _delete_unnamed(jobs, store, batch, before)
    await _delete_without_row(uploads, store, uploaded)


async def _delete_without_row(
    uploads: UploadStore, store: ObjectStore, keys: dict[str, str]
) -> None:
    known = await uploads.known(list(keys))
    orphaned = [key for upload, key in keys.items() if upload not in known]
    if orphaned:
        log.info("orphaned_uploads_deleted", objects=len(orphaned))
        await store.delete(orphaned)


async def _delete_unnamed(
    jobs: JobStore, store: ObjectStore, batch: dict[str, list[str]], before: datetime
) -> None:
    records = await jobs.get_many(list(batch))
    unreferenced = []
    for job_id, keys in batch.items():
        record = records.get(job_id)
        if record is None:
            unreferenced += keys
        elif isinstance(record, Unreadable):
            continue
        elif record.status.terminal and (record.completed_at or before) <= before:
            named = {record.source.key} | {key for output in record.outputs for key in output.keys}
            unreferenced += [key for key in keys if key not in named]
    if unreferenced:
        log.info("orphaned_bytes_deleted", objects=len(unreferenced))
        await store.delete(unreferenced)
