"""Deletes: the resource first, then the bytes, then the record; a tombstone of the id stays."""

from __future__ import annotations

from imagerift_core import clock
from imagerift_core.errors import JobNotEnded, JobNotFound
from imagerift_core.ids import is_job_id
from imagerift_core.mongo import jobs, transitions
from imagerift_core.mongo.database import Database
from imagerift_core.object_keys import job_prefix
from imagerift_core.s3 import ObjectStore

from imagerift_api.jobs.resources import JobResources


class Deletions:
    def __init__(self, database: Database, store: ObjectStore, resources: JobResources) -> None:
        self._database = database
        self._store = store
        self._resources = resources

    async def delete(self, workspace: str, job_id: str) -> None:
        """Deletes a job that has ended; when this returns, nothing of it is left.

        Where a part does not answer, the record stays and the same call goes on later.

        Raises `JobNotFound`, `JobNotEnded` or `CapacityUnavailable`.
        """
        if not is_job_id(job_id):
            raise JobNotFound("There is no such job.")
        record = await jobs.get(self._database, job_id, workspace=workspace)
        if record is None:
            raise JobNotFound("There is no such job.")
        if not record.status.terminal:
            raise JobNotEnded("The job has not ended; cancel it first.")
        await self._resources.delete(record)
        await self._store.delete_prefix(job_prefix(workspace, job_id))
        await transitions.forget(self._database, job_id, at=clock.now())
