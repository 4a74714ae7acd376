"""Cancels: decided in MongoDB, then shown to Kubernetes."""

from __future__ import annotations

from imagerift_core import clock
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.jobs import JobStore

from imagerift_api.background import Background
from imagerift_api.jobs.resources import JobResources

REASON = "requested_by_client"


class Cancellations:
    def __init__(self, jobs: JobStore, resources: JobResources, background: Background) -> None:
        self._jobs = jobs
        self._resources = resources
        self._background = background

    async def cancel(self, workspace: str, job_id: str) -> JobRecord:
        """The job: canceled, or processing and sure to end canceled and uncharged.

        Raises `JobNotFound`, `JobNotCancelable` or `CapacityUnavailable`.
        """
        record = await self._jobs.cancel(job_id, workspace=workspace, reason=REASON, at=clock.now())
        # The answer does not wait: the record decides, the resource only tells the operator.
        self._background.spawn("request_cancel", self._resources.request_cancel(record))
        return record
