"""Deletes: the resource first, then the bytes, then the record; a tombstone of the id stays."""

from __future__ import annotations

from imagerift_core import clock
from imagerift_core.errors import JobNotEnded, JobNotFound
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.object_keys import job_prefix
from imagerift_core.s3 import ObjectStore

from imagerift_api.jobs.resources import JobResources


class Deletions:
    def __init__(self, jobs: JobStore, store: ObjectStore, resources: JobResources) -> None:
        self._jobs = jobs
        self._store = store
        self._resources = resources

    async def delete(self, workspace: str, job_id: str) -> None:
        """Deletes a job that has ended; when this returns, nothing of it is left.

        Where a part does not answer, the record stays and the same call goes on later.

        Raises `JobNotFound`, `JobNotEnded` or `CapacityUnavailable`.
        """
        record = await self._jobs.get_certain(job_id, workspace=workspace)
        if record is None:
            raise JobNotFound("There is no such job.")
        if not record.status.terminal:
            raise JobNotEnded("The job has not ended; cancel it first.")
        await self._resources.delete(record)
        await self._store.delete_prefix(job_prefix(workspace, job_id))
        await self._jobs.forget(job_id, at=clock.now())
