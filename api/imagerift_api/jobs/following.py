"""Follows one job: its state now, then each state that it comes to."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import orjson
import structlog
from aiohttp import web
from imagerift_core.errors import CapacityUnavailable, JobNotFound
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.job_changes import JobChangeStream
from imagerift_core.mongo.scheduler_snapshot import JobProgress

from imagerift_api.jobs.service import Jobs, JobView

# How often followers make sure that somebody is still listening, and may.
CHECK_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_log = structlog.get_logger()


class JobFollowing:
    def __init__(self, jobs: Jobs, stream: JobChangeStream) -> None:
        self._jobs = jobs
        self._changes = _Changes(stream)

    async def states(
        self,
        workspace: str,
        job_id: str,
        *,
        may_continue: Callable[[], Awaitable[bool]],
        progress: bool = False,
    ) -> AsyncGenerator[JobView, None]:
        """The job now, then whenever it has changed, until it has ended or been deleted.

        Changes that come while one is being read are reported as one. With `progress` the same
        record is told of again where it is known how much further it is, once a second at most.
        Ends where `may_continue`, which is asked about every second, says no.

        Raises `JobNotFound` or `CapacityUnavailable` for the first state alone.
        """
        told: str | None = None
        shown: JobProgress | None = None
        with self._changes.follow(job_id) as changed:
            while True:
                changed.clear()
                try:
                    view = await self._read(workspace, job_id, first=told is None)
                except JobNotFound:
                    if told is None:
                        raise
                    return
                if view is not None and state_of(view.record) != told:
                    told, shown = state_of(view.record), view.progress
                    yield view
                if view is not None and view.record.status.terminal:
                    return
                while not await _comes(changed):
                    if not await may_continue():
                        return
                    if progress and view is not None:
                        further = await self._jobs.progress_of(view.record)
                        if further not in (None, shown):
                            shown = further
                            yield self._jobs.with_progress(view, further)

    async def _read(self, workspace: str, job_id: str, *, first: bool) -> JobView | None:
        """None where the store is away for now."""
        try:
            return await self._jobs.get(workspace, job_id)
        except CapacityUnavailable:
            if first:
                raise
            await asyncio.sleep(CHECK_SECONDS)
            return None


async def _comes(changed: asyncio.Event) -> bool:
    """Whether a change comes before it is time to make sure that somebody listens."""
    with suppress(TimeoutError):
        return await asyncio.wait_for(changed.wait(), CHECK_SECONDS)
    return False


FOLLOWING = web.AppKey("following", JobFollowing)


class _Changes:
    """Wakes followers: one change stream a replica, open while anybody follows a job."""

    def __init__(self, stream: JobChangeStream) -> None:
        self._changes = stream
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._stream: asyncio.Task[None] | None = None

    @contextmanager
    def follow(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job may have changed."""
        changed = asyncio.Event()
        self._followers[job_id].add(changed)
        if self._stream is None:
            self._stream = asyncio.create_task(self._run())
        try:
            yield changed
        finally:
            self._followers[job_id].discard(changed)
            if not self._followers[job_id]:
                del self._followers[job_id]
            if not self._followers and self._stream is not None:
                self._stream.cancel()
                self._stream = None

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except CapacityUnavailable as error:
                _log.warning("change_stream_lost", exc_info=error)
            except Exception as error:  # noqa: BLE001 - followers depend on it for their lives
                _log.error("change_stream_broke", exc_info=error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self) -> None:
        async with self._changes.open() as changes:
            # Whatever happened before it was open was not told.
            for job_id in list(self._followers):
                self._wake(job_id)
            async for job_id in changes:
                self._wake(job_id)

    def _wake(self, job_id: str) -> None:
        for changed in self._followers.get(job_id, ()):
            changed.set()


def state_of(record: JobRecord) -> str:
    """A digest of the record: the same exactly where nothing of it has changed."""
    document = record.model_dump(mode="json")
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
