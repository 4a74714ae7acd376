"""Reads of jobs, with their URLs signed at the moment of reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagerift_core import clock
from imagerift_core.errors import JobNotFound
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.scheduler_snapshot import QueuePlace
from imagerift_core.object_keys import EXTENSIONS
from imagerift_core.s3 import ObjectStore

from imagerift_api.http.cursors import decode_cursor, encode_cursor
from imagerift_api.http.requests import ListQuery
from imagerift_api.jobs.queue_view import QueueView

DOWNLOAD_SECONDS = 600


def no_such_job() -> JobNotFound:
    """There is none of that id, or it is another workspace's: nobody can tell which."""
    return JobNotFound("There is no such job.")


@dataclass(frozen=True)
class JobView:
    """A record with what is known only at the moment of reading."""

    record: JobRecord
    place: QueuePlace | None = None
    download_urls: dict[int, str] = field(default_factory=dict)
    thumbnail_urls: dict[int, str] = field(default_factory=dict)
    urls_expire_at: datetime | None = None


@dataclass(frozen=True)
class JobPage:
    views: list[JobView]
    next_cursor: str | None


class JobReads:
    """A workspace's own jobs; another's are not found."""

    def __init__(self, jobs: JobStore, store: ObjectStore, queue: QueueView) -> None:
        self._jobs = jobs
        self._store = store
        self._queue = queue

    async def get(self, workspace: str, job_id: str) -> JobView:
        """One job. Raises `JobNotFound` or `CapacityUnavailable`."""
        record = await self._jobs.get(job_id, workspace=workspace)
        if record is None:
            # It may be one whose acceptance is in doubt: "none" has to be certain.
            record = await self._jobs.get_certain(job_id, workspace=workspace)
        if record is None:
            raise no_such_job()
        return await self.view(record)

    async def view(self, record: JobRecord) -> JobView:
        """The record with its place in the queue and signed URLs for each output."""
        if not record.outputs:
            return JobView(record, await self._queue.place_of(record))
        extension = EXTENSIONS[record.spec.output_format]
        urls = {
            output.index: self._store.presign_download(
                output.key,
                filename=f"imagerift-{record.id}-{output.index}.{extension}",
                seconds=DOWNLOAD_SECONDS,
            )
            for output in record.outputs
        }
        thumbnails = {
            output.index: self._store.presign_download(
                output.thumbnail_key,
                filename=f"imagerift-{record.id}-{output.index}-small.webp",
                seconds=DOWNLOAD_SECONDS,
            )
            for output in record.outputs
            if output.thumbnail_key is not None
        }
        expire_at = clock.now() + timedelta(seconds=DOWNLOAD_SECONDS)
        return JobView(record, None, urls, thumbnails, expire_at)

    async def page(self, workspace: str, query: ListQuery) -> JobPage:
        """Jobs newest first, without URLs. Raises `InvalidRequest` for a cursor not of ours."""
        before = decode_cursor(query.cursor) if query.cursor else None
        records = await self._jobs.page(
            workspace=workspace,
            status=[status.value for status in query.status],
            mode=query.mode,
            batch_id=str(query.batch_id) if query.batch_id else None,
            metadata=query.metadata,
            created_after=query.created_after,
            created_before=query.created_before,
            before=before,
            limit=query.limit + 1,
        )
        shown = records[: query.limit]
        more = len(records) > query.limit
        return JobPage(
            [JobView(record, await self._queue.place_of(record)) for record in shown],
            encode_cursor(shown[-1].created_at, shown[-1].id) if more else None,
        )
