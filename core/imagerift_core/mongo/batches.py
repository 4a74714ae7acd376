"""Batches: jobs that were admitted together. Their progress is what their records say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo.store import Store
from imagerift_core.stored import read, readable


class Batch(BaseModel):
    """A batch as stored. `jobs` are the ids in the order of the request."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    request_id: str
    jobs: list[str]
    created_at: datetime

    def document(self) -> dict[str, object]:
        """The batch as MongoDB stores it; `left` counts the jobs that still have a record."""
        return self.model_dump(by_alias=True) | {"left": len(self.jobs)}


class BatchStore(Store):
    """Batches, and the records of their jobs."""

    async def get(self, batch_id: str, *, workspace: str) -> Batch | None:
        """The batch, or None where there is none or it is another workspace's."""
        document = await self._database.batches.find_one({"_id": batch_id, "workspace": workspace})
        return read(Batch, document) if document else None

    async def progress(self, batch_id: str) -> dict[str, int]:
        """How many of the batch's jobs have each status; deleted ones are not counted."""
        counts = dict.fromkeys((status.value for status in Status), 0)
        async for row in self._database.jobs.aggregate(
            [{"$match": {"batch_id": batch_id}}, {"$group": {"_id": "$status", "n": {"$sum": 1}}}]
        ):
            counts[row["_id"]] = row["n"]
        return counts

    async def records(self, batch_id: str, *, live: bool = False) -> AsyncIterator[JobRecord]:
        """The batch's jobs that have a readable record, or those of them that have not ended."""
        query: dict[str, Any] = {"batch_id": batch_id}
        if live:
            query["status"] = {"$in": [Status.QUEUED.value, Status.PROCESSING.value]}
        async for record in readable(JobRecord, self._database.jobs.find(query)):
            yield record
