"""Polls: one increment and one read each, and those that come together share both.

The driver works in threads, and a round trip costs more than what it does there.
What comes while one is under way makes the next one together: one increment a
workspace, by the number of its polls, and one read of all their jobs. Each poll still has a
count of its own, and a poll that comes alone waits for nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagerift_core.jobs import JobRecord
from imagerift_core.micro_batching import MicroBatcher
from imagerift_core.mongo.database import BlockingCollections, Database
from imagerift_core.mongo.rate_limit import Minute, RateWindow, counted_in
from imagerift_core.mongo.store import Store
from imagerift_core.stored import Unreadable, try_read

MAX_ITEMS = 256
Answer = tuple[RateWindow, JobRecord | None]


@dataclass(frozen=True)
class Poll:
    """A request of `subject`, of which `limit` are let through a minute, for a workspace's job."""

    subject: str
    limit: int
    at: datetime
    job_id: str
    workspace: str


class RateLimitedReads(Store):
    """Counts and reads for one process."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._group: MicroBatcher[Poll, Answer] = MicroBatcher(
            self._answer_all, max_items=MAX_ITEMS
        )

    async def count_and_read(self, poll: Poll) -> Answer:
        """Counts the request, then reads the job.

        The record is None where the window is exceeded, where there is no such job, and where
        it is another workspace's. Raises `Unreadable`, which is no other poll's matter.
        """
        return await self._group.add(poll)

    async def _answer_all(self, polls: list[Poll]) -> Sequence[Answer | Exception]:
        minutes = [Minute.of(poll.subject, poll.at) for poll in polls]

        def work(blocking: BlockingCollections) -> tuple[list[int], dict[str, Any]]:
            last = {
                minute: counted_in(blocking.rate_windows, minute, number)
                for minute, number in Counter(minutes).items()
            }
            counts = _own_counts(minutes, last)
            wanted = {
                poll.job_id
                for poll, count in zip(polls, counts, strict=True)
                if count <= poll.limit
            }
            found = blocking.jobs.find({"_id": {"$in": list(wanted)}}) if wanted else ()
            return counts, {document["_id"]: document for document in found}

        counts, documents = await self._database.run_blocking(work)
        return [_answer(poll, count, documents) for poll, count in zip(polls, counts, strict=True)]


def _own_counts(minutes: Sequence[Minute], last: dict[Minute, int]) -> list[int]:
    """The count of each request, in their order, from that of the last one of its window."""
    left = Counter(minutes)
    counts = []
    for minute in minutes:
        left[minute] -= 1
        counts.append(last[minute] - left[minute])
    return counts


def _answer(poll: Poll, count: int, documents: dict[str, Any]) -> Answer | Unreadable:
    window = RateWindow.of(poll.limit, count, poll.at)
    document = documents.get(poll.job_id)
    if window.exceeded or document is None or document.get("workspace") != poll.workspace:
        return window, None
    record = try_read(JobRecord, document)
    return record if isinstance(record, Unreadable) else (window, record)
