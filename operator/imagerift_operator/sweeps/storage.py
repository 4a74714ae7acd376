"""What is deleted: jobs and uploads whose time is over, and bytes that nothing names."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from imagerift_core.clock import now
from imagerift_core.errors import ObjectsRefused
from imagerift_core.isolation import Isolation
from imagerift_core.jobs import JobRecord
from imagerift_core.kube import Kube
from imagerift_core.mongo.job_lists import ExpiredJob
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.uploads import Upload, UploadStore
from imagerift_core.object_keys import job_of_key, job_prefix, upload_of_key
from imagerift_core.s3 import ObjectStore
from imagerift_core.stored import Unreadable

log = structlog.get_logger(__name__)

_JOBS_AT_ONCE = 500
_UPLOADS_AT_ONCE = 1_000
# A form may be posted for a day after its upload's row was made.
_UPLOAD_GRACE = timedelta(hours=25)


async def delete_expired_jobs(
    isolated: Isolation, jobs: JobStore, store: ObjectStore, kube: Kube, *, namespace: str
) -> None:
    """Deletes jobs whose retention is over: the resource, then the bytes, then the record.

    The bytes go also where the resource may not; the record stays until both are gone.
    """

    async def delete(record: ExpiredJob) -> None:
        try:
            if record.resource_uid is not None:
                await kube.delete_job(record.resource_name, uid=record.resource_uid)
        finally:
            await store.delete_prefix(job_prefix(record.workspace, record.id))
        await jobs.forget(record.id, at=now())

    expired = await jobs.expired(namespace=namespace, at=now())
    await isolated.each(expired, delete, id_of=lambda record: record.id)


async def delete_expired_uploads(
    isolated: Isolation, uploads: UploadStore, store: ObjectStore, *, namespace: str
) -> None:
    """Deletes uploads that no job used in time: the bytes, then the record."""
    at = now()

    async def delete(upload: Upload) -> None:
        await store.delete([upload.key])
        await uploads.forget(upload.id, at=at)

    expired = await uploads.expired(namespace=namespace, at=at)
    await isolated.each(expired, delete, id_of=lambda upload: upload.id)


async def delete_orphaned_bytes(
    isolated: Isolation,
    jobs: JobStore,
    uploads: UploadStore,
    store: ObjectStore,
    *,
    grace: timedelta,
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
                await _delete_without_row(isolated, uploads, store, uploaded)
                uploaded = {}
        owner = job_of_key(item.key)
        if owner is None or item.modified_at > before:
            continue
        batch.setdefault(owner[1], []).append(item.key)
        if len(batch) > _JOBS_AT_ONCE:
            await _delete_unnamed(isolated, jobs, store, batch, before)
            batch = {}
    await _delete_unnamed(isolated, jobs, store, batch, before)
    await _delete_without_row(isolated, uploads, store, uploaded)


async def _delete_without_row(
    isolated: Isolation, uploads: UploadStore, store: ObjectStore, keys: dict[str, str]
) -> None:
    if not keys:
        return
    known = await uploads.known(list(keys))
    orphaned = {key: upload for upload, key in keys.items() if upload not in known}
    if orphaned:
        log.info("orphaned_uploads_deleted", objects=len(orphaned))
        await _delete_each(isolated, store, orphaned)


async def _delete_unnamed(
    isolated: Isolation,
    jobs: JobStore,
    store: ObjectStore,
    batch: dict[str, list[str]],
    before: datetime,
) -> None:
    async def unnamed(job_ids: list[str]) -> dict[str, str]:
        """The keys that no record names, with the ids of their jobs."""
        records = await jobs.get_many(job_ids)
        return {
            key: job_id
            for job_id in job_ids
            for key in _unnamed_of(records.get(job_id), batch[job_id], before)
        }

    for found in await isolated.together(batch, unnamed, id_of=str):
        if not found:
            continue
        log.info("orphaned_bytes_deleted", objects=len(found))
        await _delete_each(isolated, store, found)


async def _delete_each(isolated: Isolation, store: ObjectStore, owners: dict[str, str]) -> None:
    """Deletes the keys; the owner of one that the bucket keeps is set aside."""
    try:
        await store.delete(list(owners))
    except ObjectsRefused as error:
        for owner in {owners[key] for key in error.keys}:
            isolated.failed(owner, error)


def _unnamed_of(
    record: JobRecord | Unreadable | None, keys: list[str], before: datetime
) -> list[str]:
    if record is None:
        return keys
    if isinstance(record, Unreadable):
        return []
    if not record.status.terminal or (record.completed_at or before) > before:
        return []
    return [key for key in keys if key not in record.kept_keys]
