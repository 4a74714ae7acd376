"""Batches: up to 100 jobs that are admitted together or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from imagerift_core.errors import BatchNotFound, JobNotCancelable, JobNotFound
from imagerift_core.mongo.batches import Batch, BatchStore

from imagerift_api.jobs.cancellations import Cancellations


@dataclass(frozen=True)
class BatchView:
    """A batch and how many of its jobs have each status; jobs that were deleted have none."""

    batch: Batch
    progress: dict[str, int]


class Batches:
    def __init__(self, batches: BatchStore, cancellations: Cancellations) -> None:
        self._batches = batches
        self._cancellations = cancellations

    async def get(self, workspace: str, batch_id: str) -> BatchView:
        """Raises `BatchNotFound` or `CapacityUnavailable`."""
        batch = await self._batches.get(batch_id, workspace=workspace)
        if batch is None:
            raise BatchNotFound("There is no such batch.")
        return BatchView(batch, await self._batches.progress(batch_id))

    async def cancel(self, workspace: str, batch_id: str) -> BatchView:
        """Cancels every job that has not ended; those that have stay as they are.

        Raises `BatchNotFound` or `CapacityUnavailable`.
        """
        view = await self.get(workspace, batch_id)
        live = [r.id async for r in self._batches.records(batch_id, live=True)]
        for job_id in live:
            try:
                await self._cancellations.cancel(workspace, job_id)
            except (JobNotCancelable, JobNotFound):
                # It ended, or was deleted, in this very moment.
                continue
        return await self.get(workspace, batch_id) if live else view
