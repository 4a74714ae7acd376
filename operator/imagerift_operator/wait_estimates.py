"""How long waiting jobs will wait: a forecast of the queue over the slots that serve it.

Plain values in memory: no clock, no server.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite

from imagerift_operator.job_entry import JobEntry

# How much the newest attempt weighs in the moving mean.
NEWEST_WEIGHT = 0.25


class Pace:
    """Seconds a unit, by mode and size: a moving mean over the attempts that delivered.

    Jobs in pods of their own are counted apart, since a pod's start is part of their time.
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str], float] = {}

    def ran(self, entry: JobEntry, seconds: float) -> None:
        """Counts an attempt that delivered all its units in `seconds`.

        One whose pictures are of several sizes says nothing of any of them: it is expected to take
        as long as one of the largest, at most.
        """
        if not entry.of_one_size:
            return
        kind, newest = _kind(entry), seconds / entry.units
        before = self._seconds.get(kind, newest)
        self._seconds[kind] = before + NEWEST_WEIGHT * (newest - before)

    def expected_seconds(self, entry: JobEntry) -> float:
        """How long an attempt of this job takes; infinite until one of its kind was seen."""
        return self._seconds.get(_kind(entry), inf) * entry.units


@dataclass(frozen=True)
class SlotGroup:
    """Slots that serve the same targets, each by the seconds until it is free.

    They are infinite where they are not known.
    """

    targets: Collection[str]
    free_in: list[float]


@dataclass(frozen=True)
class Forecast:
    """One waiting job: the units that come before it, and the seconds until it starts.

    `wait_seconds` is None where no slot serves it, or where the job that has its slot is of a
    kind that was never seen to run.
    """

    entry: JobEntry
    units_before: int
    wait_seconds: float | None


@dataclass
class _Workspace:
    """When the jobs of a workspace that its plan lets run at once will have ended."""

    limit: int
    ends: list[float] = field(default_factory=list)


def forecast(
    waiting: Iterable[JobEntry],
    slot_groups: Iterable[SlotGroup],
    pace: Pace,
    *,
    limits: Mapping[str, int],
    running: Mapping[str, Iterable[float]],
) -> Iterator[Forecast]:
    """The waiting jobs, in the order of their turns, each given the slot that is free first.

    `limits` says how many jobs of a workspace may run at once, `running` in how many seconds
    each of its jobs that run now will have ended.
    """
    slots = _by_targets(slot_groups)
    workspaces = {
        name: _Workspace(limit, sorted(running.get(name, ()))) for name, limit in limits.items()
    }
    units = 0
    for entry in waiting:
        wait = _assign_slot(
            entry, slots, workspaces.get(entry.workspace), pace.expected_seconds(entry)
        )
        yield Forecast(entry, units, wait if wait is not None and isfinite(wait) else None)
        units += entry.units


def _assign_slot(
    entry: JobEntry,
    slots: Mapping[frozenset[str], list[float]],
    workspace: _Workspace | None,
    seconds: float,
) -> float | None:
    """Gives a job its slot; the seconds until then, None where no slot serves it."""
    serving = [free_in for targets, free_in in slots.items() if entry.target in targets]
    if not serving:
        return None
    free_in = min(serving, key=lambda free_in: free_in[0])
    wait = free_in[0]
    # The slot works for others until this workspace may have another job.
    heapq.heapreplace(free_in, wait + seconds)
    if workspace is not None:
        if len(workspace.ends) >= workspace.limit:
            wait = max(wait, heapq.heappop(workspace.ends))
        heapq.heappush(workspace.ends, wait + seconds)
    return wait


def _by_targets(slot_groups: Iterable[SlotGroup]) -> dict[frozenset[str], list[float]]:
    together: defaultdict[frozenset[str], list[float]] = defaultdict(list)
    for group in slot_groups:
        together[frozenset(group.targets)] += group.free_in
    for free_in in together.values():
        heapq.heapify(free_in)
    return {targets: free_in for targets, free_in in together.items() if free_in}


def _kind(entry: JobEntry) -> tuple[str, str, str]:
    return entry.execution, entry.mode, entry.export_size
