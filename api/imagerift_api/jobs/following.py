"""Follows one job: its state now, then each state that it comes to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import orjson
from imagerift_core.errors import CapacityUnavailable, JobNotFound
from imagerift_core.jobs import JobRecord

from imagerift_api.jobs.changes import JobChanges
from imagerift_api.jobs.service import JobReads, JobView

# How often followers make sure that somebody is still listening, and may.
CHECK_SECONDS = 1.0


class JobFollowing:
    def __init__(self, reads: JobReads, changes: JobChanges) -> None:
        self._reads = reads
        self._changes = changes

    async def states(
        self, workspace: str, job_id: str, *, go_on: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[JobView, None]:
        """The job now, then whenever it has changed, until it has ended or been deleted.

        Changes that come while one is being read are told as one. `go_on` is asked about every
        second; where it says no, this ends.

        Raises `JobNotFound` or `CapacityUnavailable` for the first state alone.
        """
        told: str | None = None
        with self._changes.follow(job_id) as changed:
            while True:
                changed.clear()
                try:
                    view = await self._read(workspace, job_id, first=told is None)
                except JobNotFound:
                    if told is None:
                        raise
                    return
                if view is None:
                    if not await self._pause(changed, go_on):
                        return
                    continue
                state = state_of(view.record)
                if state != told:
                    told = state
                    yield view
                if view.record.status.terminal or not await self._pause(changed, go_on):
                    return

    async def _read(self, workspace: str, job_id: str, *, first: bool) -> JobView | None:
        """None where the store is away for now."""
        try:
            return await self._reads.get(workspace, job_id)
        except CapacityUnavailable:
            if first:
                raise
            await asyncio.sleep(CHECK_SECONDS)
            return None

    async def _pause(self, changed: asyncio.Event, go_on: Callable[[], Awaitable[bool]]) -> bool:
        """Waits for a change. False where nobody wants to know any more."""
        while True:
            try:
                await asyncio.wait_for(changed.wait(), CHECK_SECONDS)
            except TimeoutError:
                if not await go_on():
                    return False
            else:
                return True


def state_of(record: JobRecord) -> str:
    """A digest of the record: the same exactly where nothing of it has changed."""
    document = record.model_dump(mode="json")
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
