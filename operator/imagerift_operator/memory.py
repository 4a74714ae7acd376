"""What one operator process remembers of jobs: which there are, which wait, and which run."""

from __future__ import annotations

import asyncio
from datetime import datetime

from imagerift_operator.in_flight import InFlight
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.scheduler import Scheduler


class Memory:
    """The index, the queue and the attempts in flight, and what changes several of them.

    All of it is lost with the process and built anew from the watch and the records. `changed`
    is set when something happened that may let a job start.
    """

    def __init__(self, index: JobIndex, scheduler: Scheduler, in_flight: InFlight) -> None:
        self.index = index
        self.scheduler = scheduler
        self.in_flight = in_flight
        self.changed = asyncio.Event()

    def enqueue(self, entry: JobEntry, *, not_before: datetime | None = None) -> None:
        """Queues a job, at once or from `not_before` on, unless it is queued."""
        self.scheduler.add(entry, not_before=not_before)
        self.changed.set()

    def requeue(self, entry: JobEntry, attempt: int, *, not_before: datetime | None = None) -> None:
        """Queues a job whose record was taken back from its attempt of this number."""
        self.index.set_attempt(entry, attempt)
        self.in_flight.drop(entry.job_id)
        self.enqueue(entry, not_before=not_before)

    def slot_freed(self, entry: JobEntry) -> None:
        """Tells the scheduler that a job which it gave out has no slot any longer."""
        self.scheduler.ended(entry)
        self.changed.set()

    def idle(self) -> list[JobEntry]:
        """Live resources whose jobs neither wait nor run: their records say what is next."""
        return [
            entry
            for entry in self.index
            if not entry.ended
            and entry.job_id not in self.scheduler
            and entry.job_id not in self.in_flight
        ]
