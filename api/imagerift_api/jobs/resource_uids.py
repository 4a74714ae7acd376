"""The uids of resources that were made: a debounced writer to their records.

A job that was claimed meanwhile has its uid from the operator; of one whose uid is lost with
this process the operator's sweep finds the resource.
"""

from __future__ import annotations

import asyncio

import structlog
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.jobs import JobStore

_FLUSH_SECONDS = 1.0
_log = structlog.get_logger()


class ResourceUidWriter:
    """Collects uids by job id, and writes them every second."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._uids: dict[str, str] = {}

    def record(self, job_id: str, uid: str) -> None:
        self._uids[job_id] = uid

    async def run(self) -> None:
        """Flushes every second until canceled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        if not self._uids:
            return
        uids, self._uids = self._uids, {}
        try:
            await self._jobs.set_resource_uids(uids)
        except CapacityUnavailable:
            # Left to the sweep, which asks the API server.
            _log.warning("resources_not_noted", jobs=len(uids))
