"""The jobs of a workspace: read with fresh URLs, canceled, deleted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from aiohttp import web
from imagerift_core import clock
from imagerift_core.errors import JobNotEnded, JobNotFound
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.job_lists import JobFilter
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.rate_limit import RateWindow
from imagerift_core.mongo.rate_limited_reads import Poll, RateLimitedReads
from imagerift_core.mongo.scheduler_snapshot import JobProgress, QueuePosition
from imagerift_core.object_keys import job_prefix, thumbnail_key
from imagerift_core.s3 import ObjectStore

from imagerift_api.auth.keys import CALLER
from imagerift_api.background import Background
from imagerift_api.http.cursors import decode_cursor, encode_cursor
from imagerift_api.jobs.queue_view import QueueView
from imagerift_api.jobs.resources import JobResources
from imagerift_api.jobs.schemas import ListQuery

DOWNLOAD_SECONDS = 600
_CANCEL_REASON = "requested_by_client"


@dataclass(frozen=True)
class JobView:
    """A record with what is known only at the moment of reading.

    The URLs are of its outputs or, while it runs, of thumbnails of those that are finished.
    """

    record: JobRecord
    queue_position: QueuePosition | None = None
    progress: JobProgress | None = None
    download_urls: dict[int, str] = field(default_factory=dict)
    thumbnail_urls: dict[int, str] = field(default_factory=dict)
    urls_expire_at: datetime | None = None


@dataclass(frozen=True)
class JobPage:
    views: list[JobView]
    next_cursor: str | None


class Jobs:
    """A workspace's own jobs; another's are not found."""

    def __init__(
        self,
        jobs: JobStore,
        store: ObjectStore,
        queue: QueueView,
        resources: JobResources,
        background: Background,
        *,
        previews: bool = True,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._queue = queue
        self._resources = resources
        self._background = background
        self._previews = previews

    async def get(self, workspace: str, job_id: str) -> JobView:
        """One job. Raises `JobNotFound` or `CapacityUnavailable`."""
        return await self.view(await self._record(workspace, job_id))

    async def view(self, record: JobRecord) -> JobView:
        """The record with its position in the queue and signed URLs for each output."""
        if not record.outputs:
            return self.with_progress(await self._under_way(record))
        urls = {
            output.index: self._store.presign_download(
                output.key,
                filename=f"imagerift-{record.id}-{output.index}{PurePosixPath(output.key).suffix}",
                seconds=DOWNLOAD_SECONDS,
            )
            for output in record.outputs
        }
        thumbnails = {
            output.index: self._thumbnail_url(record, output.index, output.thumbnail_key)
            for output in record.outputs
            if output.thumbnail_key is not None
        }
        return JobView(
            record,
            download_urls=urls,
            thumbnail_urls=thumbnails,
            urls_expire_at=self._urls_expire_at(),
        )

    async def progress_of(self, record: JobRecord) -> JobProgress | None:
        """How far a job is that runs, None where it is not known."""
        return await self._queue.progress_of(record)

    def with_progress(self, view: JobView, progress: JobProgress | None = None) -> JobView:
        """The view of a job that is so far, or as it is; with URLs of what is finished of it.

        Those are signed for the present attempt's own keys: what it shows, it has uploaded.
        """
        record, progress = view.record, progress or view.progress
        if progress is None or record.cancel_requested or not self._previews:
            return replace(view, progress=progress)
        urls = {
            index: self._thumbnail_url(
                record, index, thumbnail_key(record.workspace, record.id, record.attempt, index)
            )
            for index in progress.shown
            if index in range(record.spec.pictures)
        }
        return replace(
            view, progress=progress, thumbnail_urls=urls, urls_expire_at=self._urls_expire_at()
        )

    def _thumbnail_url(self, record: JobRecord, index: int, key: str) -> str:
        return self._store.presign_download(
            key, filename=f"imagerift-{record.id}-{index}-small.webp", seconds=DOWNLOAD_SECONDS
        )

    def _urls_expire_at(self) -> datetime:
        return clock.now() + timedelta(seconds=self._store.lifetime(DOWNLOAD_SECONDS))

    async def _under_way(self, record: JobRecord) -> JobView:
        return JobView(
            record,
            await self._queue.position_of(record),
            await self._queue.progress_of(record),
        )

    async def page(self, workspace: str, query: ListQuery) -> JobPage:
        """Jobs newest first, without URLs; one that cannot be read is left out.

        Raises `InvalidRequest` for a cursor not of ours.
        """
        before = decode_cursor(query.cursor) if query.cursor else None
        wanted = JobFilter(
            workspace=workspace,
            status=[status.value for status in query.status],
            mode=query.mode,
            batch_id=str(query.batch_id) if query.batch_id else None,
            metadata=query.metadata,
            created_after=query.created_after,
            created_before=query.created_before,
            before=before,
        )
        found = await self._jobs.page(wanted, limit=query.limit)
        return JobPage(
            [await self._under_way(record) for record in found.records],
            encode_cursor(*found.after) if found.after else None,
        )

    async def cancel(self, workspace: str, job_id: str) -> JobRecord:
        """The job: canceled, or processing and sure to end canceled and uncharged.

        Raises `JobNotFound`, `JobNotCancelable` or `CapacityUnavailable`.
        """
        record = await self._jobs.cancel(
            job_id, workspace=workspace, reason=_CANCEL_REASON, at=clock.now()
        )
        # The answer does not wait: the record decides, the resource only tells the operator.
        self._background.spawn("request_cancel", self._resources.request_cancel(record))
        return record

    async def delete(self, workspace: str, job_id: str) -> None:
        """Deletes a job that has ended: the resource first, then the bytes, then the record.

        When this returns, nothing of the job is left but a tombstone of its id. Where a part does
        not answer, the record stays and the same call goes on later.

        Raises `JobNotFound`, `JobNotEnded` or `CapacityUnavailable`.
        """
        record = await self._record(workspace, job_id)
        if not record.status.terminal:
            raise JobNotEnded("The job has not ended; cancel it first.")
        await self._resources.delete(record)
        await self._store.delete_prefix(job_prefix(workspace, job_id))
        await self._jobs.forget(job_id, at=clock.now())

    async def _record(self, workspace: str, job_id: str) -> JobRecord:
        record = await self._jobs.get(job_id, workspace=workspace)
        if record is None:
            # It may be one whose acceptance is in doubt: "none" has to be certain.
            record = await self._jobs.get_certain(job_id, workspace=workspace)
        if record is None:
            raise JobNotFound("There is no such job.")
        return record


JOBS = web.AppKey("jobs", Jobs)
RATE_LIMITED_READS = web.AppKey("rate_limited_reads", RateLimitedReads)
POLLED_JOB: web.RequestKey[JobRecord | None] = web.RequestKey("polled_job")


async def count_and_read_job(request: web.Request, subject: str, limit: int) -> RateWindow:
    """Counts the request and, in the same round trip, reads the job of its path as `POLLED_JOB`."""
    job_id, workspace = request.match_info["job_id"], request[CALLER].workspace
    poll = Poll(subject, limit, clock.now(), job_id, workspace)
    window, request[POLLED_JOB] = await request.app[RATE_LIMITED_READS].count_and_read(poll)
    return window
