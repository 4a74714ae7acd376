"""Says in the status of a job that has waited for some time why it waits, once a wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.mongo.scheduler_snapshot import QueuePosition

from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_status import waiting_status
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.status_writer import StatusWriter

PATIENCE = timedelta(seconds=15)
# At each look, of which there is one in two seconds: a deep queue must not cost the API server
# what the jobs themselves need.
MOST_AT_ONCE = 20
# Reasons of jobs that only wait for others; those of stuck jobs are shown first.
_MOVING = "waiting_for_"


class WaitingReasons:
    """Follows which jobs wait, from one look at the queue's positions to the next."""

    def __init__(self, scheduler: Scheduler, writer: StatusWriter) -> None:
        self._scheduler = scheduler
        self._writer = writer
        self._since: dict[str, datetime] = {}
        self._positions: Mapping[str, QueuePosition] = {}

    def look(self, positions: Mapping[str, QueuePosition], at: datetime) -> None:
        """Takes the queue's positions at `at`, by job id and in their order."""
        self._positions = positions
        self._since = {
            job_id: self._since.get(job_id) or self._begin(job_id, at) for job_id in positions
        }

    def due(
        self, at: datetime, but: Callable[[str], bool] = lambda _job_id: False
    ) -> list[tuple[JobEntry, QueuePosition]]:
        """Whose reason is to be shown now: of jobs that are stuck first, then in their order.

        None of those of which `but` is true takes another's place.
        """
        silent = [
            (entry, queue_position)
            for job_id, queue_position in self._positions.items()
            if at - self._since[job_id] >= PATIENCE
            and (entry := self._scheduler.waiting(job_id)) is not None
            and not entry.explained
            and not but(job_id)
        ]
        silent.sort(key=lambda item: item[1].reason.startswith(_MOVING))
        return silent[:MOST_AT_ONCE]

    async def tell(self, isolated: Isolation) -> None:
        """Writes what is due. Raises `KubeUnavailable`; the next look finds what is left."""
        at = now()

        async def show(due: tuple[JobEntry, QueuePosition]) -> None:
            entry, queue_position = due
            await self._writer.show_waiting(entry, waiting_status(entry, queue_position, at=at))

        due = self.due(at, isolated.is_set_aside)
        await isolated.each(due, show, id_of=lambda due: due[0].job_id)

    def _begin(self, job_id: str, at: datetime) -> datetime:
        """When a job began to wait that did not wait before: at `at` where it has run."""
        entry = self._scheduler.waiting(job_id)
        return entry.created_at if entry is not None and entry.attempt == 0 else at
