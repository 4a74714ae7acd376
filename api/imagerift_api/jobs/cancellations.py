"""Cancels: decided in MongoDB, then shown to Kubernetes."""

from __future__ import annotations

from imagerift_core import clock
from imagerift_core.errors import JobNotFound
from imagerift_core.ids import is_job_id
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo import transitions
from imagerift_core.mongo.database import Database

from imagerift_api.background import Background
from imagerift_api.jobs.resources import JobResources

REASON = "requested_by_client"


class Cancellations:
    def __init__(self, database: Database, resources: JobResources, background: Background) -> None:
        self._database = database
        self._resources = resources
        self._background = background

    async def cancel(self, workspace: str, job_id: str) -> JobRecord:
        """The job: canceled, or processing and sure to end canceled and uncharged.

        Raises `JobNotFound`, `JobNotCancelable` or `CapacityUnavailable`.
        """
        if not is_job_id(job_id):
            raise JobNotFound("There is no such job.")
        record = await transitions.cancel(
            self._database, job_id, workspace=workspace, reason=REASON, at=clock.now()
        )
        # The answer does not wait: the record decides, the resource only tells the operator.
        self._background.spawn("request_cancel", self._resources.request_cancel(record))
        return record
