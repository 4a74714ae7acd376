"""A poll: one increment and one read, in one trip to the driver.

The driver works in threads, and a trip there and back costs more than what it does there; the
two calls of a poll, which every waiting client makes again and again, share one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.database import BlockingCollections, Database
from imagerift_core.mongo.rate_limit import RateWindow, window_counted_in, window_update


async def count_and_read(
    database: Database, subject: str, *, limit: int, at: datetime, job_id: str, workspace: str
) -> tuple[RateWindow, JobRecord | None]:
    """Counts one request of `subject`, then reads a workspace's job.

    The record is None where the window is exceeded, where there is no such job, and where it
    is another workspace's.
    """
    window_id, update = window_update(subject, at)

    def work(blocking: BlockingCollections) -> tuple[int, dict[str, Any] | None]:
        # Two first requests of a minute may meet; the later one finds the document.
        counted = window_counted_in(blocking.rate_windows, window_id, update)
        if counted > limit:
            return counted, None
        return counted, blocking.jobs.find_one({"_id": job_id, "workspace": workspace})

    count, document = await database.in_one_trip(work)
    window = RateWindow.of(limit, count, at)
    return window, JobRecord.model_validate(document) if document else None
