"""Says in the status of a job that has waited for some time why it waits, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.kube_workloads import Trouble
from imagerift_core.mongo.scheduler_snapshot import QueuePosition

from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_status import waiting_status
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.status_writer import StatusWriter

PATIENCE = timedelta(seconds=15)
# At each look, of which there is one in two seconds: a deep queue must not cost the API server
# what the jobs themselves need.
MOST_AT_ONCE = 20
# What was said is said anew after so long, where it has changed: of so many jobs at each look.
REFRESH_AFTER = timedelta(seconds=30)
REFRESHED_AT_ONCE = 4
# An estimate that has moved by less says nothing new.
_SAME_ESTIMATE = timedelta(seconds=15)
# Reasons of jobs that only wait for others; those of stuck jobs are shown first.
_MOVING = "waiting_for_"


@dataclass(frozen=True)
class _Told:
    """What the status of a job says, as far as this process knows, and since when."""

    at: datetime
    queue_position: QueuePosition | None = None

    def is_news(self, queue_position: QueuePosition, at: datetime) -> bool:
        """Whether the status says something else than what is so at `at`."""
        before = self.queue_position
        if before is None or (before.position, before.reason) != (
            queue_position.position,
            queue_position.reason,
        ):
            return True
        if before.eta_seconds is None or queue_position.eta_seconds is None:
            return before.eta_seconds is not queue_position.eta_seconds
        moved = timedelta(seconds=queue_position.eta_seconds - before.eta_seconds)
        return abs(at - self.at + moved) > _SAME_ESTIMATE


class WaitingReasons:
    """Follows which jobs wait, from one look at the queue's positions to the next."""

    def __init__(
        self,
        scheduler: Scheduler,
        writer: StatusWriter,
        lacks: Callable[[str], Trouble | None] = lambda _target: None,
    ) -> None:
        self._scheduler = scheduler
        self._lacks = lacks
        self._writer = writer
        self._since: dict[str, datetime] = {}
        self._positions: Mapping[str, QueuePosition] = {}
        self._told: dict[str, _Told] = {}

    def look(self, positions: Mapping[str, QueuePosition], at: datetime) -> None:
        """Takes the queue's positions at `at`, by job id and in their order."""
        self._positions = positions
        self._since = {
            job_id: self._since.get(job_id) or self._begin(job_id, at) for job_id in positions
        }
        # Of what another process has told nothing is known but that it was before.
        self._told = {job_id: self._told.get(job_id) or _Told(at) for job_id in positions}

    def due(
        self, at: datetime, but: Callable[[str], bool] = lambda _job_id: False
    ) -> list[tuple[JobEntry, QueuePosition]]:
        """Whose status is to be written now: of jobs that are stuck first, then in their order.

        Those come last that only have news. None of those of which `but` is true takes
        another's place.
        """
        waiting = [
            (entry, queue_position)
            for job_id, queue_position in self._positions.items()
            if at - self._since[job_id] >= PATIENCE
            and (entry := self._scheduler.waiting(job_id)) is not None
            and not but(job_id)
        ]
        silent = [each for each in waiting if not each[0].explained]
        silent.sort(key=lambda item: item[1].reason.startswith(_MOVING))
        stale = [each for each in waiting if each[0].explained and self._is_stale(*each, at)]
        stale.sort(key=lambda item: self._told[item[0].job_id].at)
        return [*silent, *stale[:REFRESHED_AT_ONCE]][:MOST_AT_ONCE]

    async def tell(self, isolated: Isolation) -> None:
        """Writes what is due. Raises `KubeUnavailable`; the next look finds what is left."""
        at = now()

        async def show(due: tuple[JobEntry, QueuePosition]) -> None:
            entry, queue_position = due
            status = waiting_status(entry, queue_position, at=at, lacks=self._lacks(entry.target))
            if await self._writer.show_waiting(entry, status):
                self._told[entry.job_id] = _Told(at, queue_position)

        due = self.due(at, isolated.is_set_aside)
        await isolated.each(due, show, id_of=lambda due: due[0].job_id)

    def _is_stale(self, entry: JobEntry, queue_position: QueuePosition, at: datetime) -> bool:
        told = self._told[entry.job_id]
        return at - told.at >= REFRESH_AFTER and told.is_news(queue_position, at)

    def _begin(self, job_id: str, at: datetime) -> datetime:
        """When a job began to wait that did not wait before: at `at` where it has run."""
        entry = self._scheduler.waiting(job_id)
        return entry.created_at if entry is not None and entry.attempt == 0 else at
