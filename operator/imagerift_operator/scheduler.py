"""Decides which job runs next. Plain values in memory: no clock, no server."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count

from imagerift_operator.job_entry import JobEntry

TOP_BAND = 9


# A position in a queue: since when the job waits, the position's number, the job's id.
_Position = tuple[datetime, int, str]


@dataclass(slots=True)
class _Waiting:
    """A job in a queue; `number` is its position's, which tells it from earlier ones."""

    entry: JobEntry
    band: int
    since: datetime
    number: int = 0


@dataclass
class _Band:
    """Workspaces in the order of their next turn, each with its jobs by target.

    Jobs of a target are a heap, the oldest first: after a restart they come in any order.
    """

    workspaces: OrderedDict[str, dict[str, list[_Position]]] = field(default_factory=OrderedDict)


class Scheduler:
    """Bands by plan, round-robin over workspaces inside a band, then age.

    Waiting raises the band by one every `promote_seconds`, so that nobody starves. A workspace
    with as many jobs running as its plan lets it is passed over. Adding and removing are
    idempotent, and cost the logarithm of what waits. Choosing costs no more than the workspaces
    whose jobs cannot run at this moment; those passed over are never more than there are slots,
    since each has a job running.
    """

    def __init__(self, *, promote_seconds: float = 60.0) -> None:
        self._promote_seconds = promote_seconds
        self._waiting: dict[str, _Waiting] = {}
        self._bands = [_Band() for _ in range(TOP_BAND + 1)]
        self._numbers = count()
        self._delayed: list[_Position] = []
        self._delayed_jobs: dict[str, tuple[int, JobEntry]] = {}
        self._limits: dict[str, int] = {}
        self._running: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._delayed_jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._waiting or job_id in self._delayed_jobs

    def add(self, entry: JobEntry, *, not_before: datetime | None = None) -> None:
        """Queues a job, at once or from `not_before` on. One that is queued stays where it is."""
        if entry.job_id in self:
            return
        if not_before is not None:
            number = next(self._numbers)
            self._delayed_jobs[entry.job_id] = (number, entry)
            heapq.heappush(self._delayed, (not_before, number, entry.job_id))
            return
        self._enqueue(_Waiting(entry, min(entry.band, TOP_BAND), entry.created_at))

    def remove(self, job_id: str) -> None:
        """Forgets a job; an unknown one is no error. Its position is dropped once it is first."""
        self._waiting.pop(job_id, None)
        self._delayed_jobs.pop(job_id, None)

    def waiting(self, job_id: str) -> JobEntry | None:
        """The entry of a job that waits and is not delayed, None for every other job."""
        waiting = self._waiting.get(job_id)
        return waiting.entry if waiting is not None else None

    def limit(self, workspace: str, jobs: int | None) -> None:
        """Sets how many jobs of a workspace may run at once; None takes the limit away."""
        if jobs is None:
            self._limits.pop(workspace, None)
        else:
            self._limits[workspace] = jobs

    @property
    def limits(self) -> Mapping[str, int]:
        """How many jobs may run at once, by workspace; any number where none is named."""
        return self._limits

    def is_at_limit(self, workspace: str) -> bool:
        limit = self._limits.get(workspace)
        return limit is not None and self._running[workspace] >= limit

    def depths(self) -> dict[int, int]:
        """How many jobs wait in each band; those that wait for their time count in their own."""
        # Copies, since a scrape reads them from a thread of its own.
        depths = Counter(waiting.band for waiting in list(self._waiting.values()))
        delayed = list(self._delayed_jobs.values())
        depths.update(min(entry.band, TOP_BAND) for _, entry in delayed)
        return depths

    def release_delayed(self, at: datetime) -> datetime | None:
        """Queues the delayed jobs that are due, and tells when the next one will be."""
        while self._delayed and self._delayed[0][0] <= at:
            _, number, job_id = heapq.heappop(self._delayed)
            known, entry = self._delayed_jobs.get(job_id, (None, None))
            if entry is not None and known == number:
                del self._delayed_jobs[job_id]
                self.add(entry)
        return self._delayed[0][0] if self._delayed else None

    def promote(self, at: datetime) -> None:
        """Moves every job that has waited its time into the band it has grown into."""
        for band in range(TOP_BAND):
            for waiting in list(self._heads_due(band, at)):
                waiting.band = self._grown(waiting, at)
                self._enqueue(waiting)

    def next(self, targets: Collection[str]) -> JobEntry | None:
        """Takes the job whose turn it is among those that ask for one of `targets`.

        It counts as running until `ended` is told of it.
        """
        for level in range(TOP_BAND, -1, -1):
            for workspace in list(self._bands[level].workspaces):
                if self.is_at_limit(workspace):
                    continue
                entry = self._take(level, workspace, targets)
                if entry is not None:
                    self._running[workspace] += 1
                    return entry
        return None

    def ended(self, entry: JobEntry) -> None:
        """Counts a job that `next` gave out as running no longer."""
        self._running[entry.workspace] -= 1
        if not self._running[entry.workspace]:
            del self._running[entry.workspace]

    def waiting_by_target(self) -> Counter[str]:
        """How many jobs wait for each target, those that wait for their time included."""
        # Copies, since a scrape reads them from a thread of its own.
        delayed = (entry for _, entry in list(self._delayed_jobs.values()))
        now_due = (waiting.entry for waiting in list(self._waiting.values()))
        return Counter(entry.target for entry in chain(now_due, delayed))

    def order(self) -> Iterator[JobEntry]:
        """The waiting jobs in about the order of their turns, for estimates."""
        for level in range(TOP_BAND, -1, -1):
            by_workspace = [
                self._in_order(position for queue in queues.values() for position in queue)
                for queues in self._bands[level].workspaces.values()
            ]
            while by_workspace:
                still = []
                for jobs in by_workspace:
                    entry = next(jobs, None)
                    if entry is not None:
                        yield entry
                        still.append(jobs)
                by_workspace = still

    def _enqueue(self, waiting: _Waiting) -> None:
        waiting.number = next(self._numbers)
        self._waiting[waiting.entry.job_id] = waiting
        queues = self._bands[waiting.band].workspaces.setdefault(waiting.entry.workspace, {})
        queue = queues.setdefault(waiting.entry.target, [])
        heapq.heappush(queue, (waiting.since, waiting.number, waiting.entry.job_id))

    def _in_order(self, positions: Iterable[_Position]) -> Iterator[JobEntry]:
        """The jobs at these positions, the oldest first; only those asked for are sorted."""
        heap = list(positions)
        heapq.heapify(heap)
        while heap:
            waiting = self._at(heapq.heappop(heap))
            if waiting is not None:
                yield waiting.entry

    def _at(self, position: _Position) -> _Waiting | None:
        """The job at this position, None where it has left."""
        _, number, job_id = position
        waiting = self._waiting.get(job_id)
        return waiting if waiting is not None and waiting.number == number else None

    def _head(self, queue: list[_Position]) -> _Waiting | None:
        while queue:
            waiting = self._at(queue[0])
            if waiting is not None:
                return waiting
            heapq.heappop(queue)
        return None

    def _take(self, level: int, workspace: str, targets: Collection[str]) -> JobEntry | None:
        band = self._bands[level]
        queues = band.workspaces[workspace]
        best: list[_Position] | None = None
        for target, queue in list(queues.items()):
            if self._head(queue) is None:
                del queues[target]
            elif target in targets and (best is None or queue[0] < best[0]):
                best = queue
        if not queues:
            del band.workspaces[workspace]
            return None
        if best is None:
            return None
        _, _, job_id = heapq.heappop(best)
        band.workspaces.move_to_end(workspace)
        return self._waiting.pop(job_id).entry

    def _grown(self, waiting: _Waiting, at: datetime) -> int:
        waited = (at - waiting.since).total_seconds()
        return min(TOP_BAND, waiting.entry.band + int(waited // self._promote_seconds))

    def _heads_due(self, band: int, at: datetime) -> Iterator[_Waiting]:
        for queues in self._bands[band].workspaces.values():
            for queue in queues.values():
                while (head := self._head(queue)) and self._grown(head, at) > band:
                    heapq.heappop(queue)
                    yield head
