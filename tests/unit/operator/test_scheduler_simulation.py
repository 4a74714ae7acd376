"""The scheduler driven by thousands of synthetic jobs; its promises are checked on what it did."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.scheduler import TOP_BAND, Scheduler

from tests.unit.operator.builders import START, make_entry

PROMOTE_SECONDS = 20
TARGETS = {"*/style/base"}


def at_second(second: float) -> datetime:
    return START + timedelta(seconds=second)


@dataclass
class Slots:
    """A pool of a few slots: each job holds one for its own while, then leaves it."""

    scheduler: Scheduler
    count: int
    busy: list[tuple[float, str, JobEntry]] = field(default_factory=list)
    started: list[tuple[float, JobEntry]] = field(default_factory=list)

    def fill(self, second: float, rng: random.Random) -> None:
        while self.busy and self.busy[0][0] <= second:
            self.scheduler.ended(heapq.heappop(self.busy)[2])
        while len(self.busy) < self.count:
            entry = self.scheduler.next(TARGETS)
            if entry is None:
                return
            self.started.append((second, entry))
            heapq.heappush(self.busy, (second + rng.choice([1, 2, 4]), entry.job_id, entry))

    def running_of(self, workspace: str) -> int:
        return sum(entry.workspace == workspace for _, _, entry in self.busy)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.slow
def test_under_constant_overload_nobody_starves_and_each_workspace_keeps_its_order(
    seed: int,
) -> None:
    """Twice as much work arrives as can run, most of it in the top plan; then arrivals stop."""
    rng = random.Random(seed)
    scheduler = Scheduler(promote_seconds=PROMOTE_SECONDS)
    slots = Slots(scheduler, count=8)
    added = 0
    arrivals = 600
    second = 0
    while second < arrivals or len(scheduler):
        if second < arrivals:
            for _ in range(7):
                band = rng.choices([0, 1, 2], weights=[1, 2, 5])[0]
                # As many workspaces as the plan has work, so that turns alone give each its share.
                workspace = f"ws_{band}_{rng.randrange([2, 4, 10][band])}"
                scheduler.add(
                    make_entry(f"job-{added}", workspace=workspace, band=band, after=second)
                )
                added += 1
        scheduler.promote(at_second(second))
        slots.fill(second, rng)
        second += 1
    order = [entry.job_id for _, entry in slots.started]
    assert len(order) == len(set(order)) == added == 7 * arrivals

    waits: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for started, entry in slots.started:
        waits[entry.band].append((at_second(started) - entry.created_at).total_seconds())
    # Once in the top band only age and turns count, whatever the plan: what a job waits beyond
    # the time it takes to get there is about what the whole backlog takes.
    backlog = second - arrivals
    assert max(waits[0]) <= PROMOTE_SECONDS * TOP_BAND + backlog
    # And a better plan never waits longer on average.
    mean = {band: sum(times) / len(times) for band, times in waits.items()}
    assert mean[2] <= mean[1] <= mean[0]
    for workspace in {entry.workspace for _, entry in slots.started}:
        ages = [e.created_at for _, e in slots.started if e.workspace == workspace]
        assert ages == sorted(ages)


@pytest.mark.parametrize("seed", range(4))
def test_turns_of_workspaces_with_work_waiting_never_differ_by_more_than_one_job(
    seed: int,
) -> None:
    """Some workspaces queue hundreds of jobs, some a few now and then: in any stretch in which
    two of one band both have work waiting, each is given as many turns as the other."""
    rng = random.Random(seed)
    scheduler = Scheduler(promote_seconds=1e9)
    slots = Slots(scheduler, count=6)
    workspaces = [f"ws_{number}" for number in range(6)]
    waiting: Counter[str] = Counter()
    number = 0

    def arrive(workspace: str, second: int) -> None:
        nonlocal number
        scheduler.add(make_entry(f"job-{number}", workspace=workspace, after=second))
        waiting[workspace] += 1
        number += 1

    # Turns since both of a pair have had work waiting, and the span of their difference.
    turns = {(a, b): [0, 0, 0] for a in workspaces for b in workspaces if a < b}
    worst = 0
    seen = 0
    for second in range(700):
        for index, workspace in enumerate(workspaces):
            for _ in range(rng.choice([0, 0, 3 * (index + 1)]) if second < 400 else 0):
                arrive(workspace, second)
        before = dict(waiting)
        slots.fill(second, rng)
        for _, entry in slots.started[seen:]:
            for (a, b), span in turns.items():
                if not (before.get(a) and before.get(b)):
                    span[:] = [0, 0, 0]
                    continue
                span[0] += (entry.workspace == a) - (entry.workspace == b)
                span[1], span[2] = min(span[1], span[0]), max(span[2], span[0])
                worst = max(worst, span[2] - span[1])
            waiting[entry.workspace] -= 1
            before = dict(waiting)
        seen = len(slots.started)
    assert seen > 1500
    assert worst == 1


@pytest.mark.parametrize("seed", range(4))
def test_limits_hold_and_leave_no_slot_idle_that_another_workspace_could_use(seed: int) -> None:
    rng = random.Random(seed)
    scheduler = Scheduler(promote_seconds=PROMOTE_SECONDS)
    slots = Slots(scheduler, count=10)
    limits = {"ws_1": 1, "ws_3": 3, "ws_any": None}
    for workspace, limit in limits.items():
        scheduler.limit(workspace, limit)
    reached: Counter[str] = Counter()
    for second in range(400):
        for workspace in limits:
            for number in range(rng.randrange(6)):
                band = 9 if workspace != "ws_any" else 0
                job_id = f"{workspace}-{second}-{number}"
                scheduler.add(make_entry(job_id, workspace=workspace, band=band, after=second))
        scheduler.promote(at_second(second))
        slots.fill(second, rng)
        for workspace, limit in limits.items():
            running = slots.running_of(workspace)
            assert limit is None or running <= limit
            reached[workspace] = max(reached[workspace], running)
        assert len(slots.busy) == slots.count or all(
            slots.running_of(workspace) == limit
            for workspace, limit in limits.items()
            if limit is not None and any(e.workspace == workspace for e in scheduler.order())
        )
    assert reached["ws_1"] == 1 and reached["ws_3"] == 3 and reached["ws_any"] >= 6


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.slow
def test_with_retries_cancels_and_changing_pools_every_job_has_exactly_one_end(seed: int) -> None:
    """Jobs come back after a pause, are canceled while they wait, and pools come and go."""
    rng = random.Random(seed)
    scheduler = Scheduler(promote_seconds=PROMOTE_SECONDS)
    running: list[tuple[int, str, JobEntry]] = []
    ends: Counter[str] = Counter()
    added: list[str] = []
    second = 0
    while second < 500 or len(scheduler) or running:
        now = at_second(second)
        if second < 500:
            for _ in range(8):
                job_id = f"job-{len(added)}"
                mode = rng.choice(["style", "avatar"])
                pool = rng.choice([None, None, None, "gpu"])
                workspace = f"ws_{rng.randrange(30)}"
                band = rng.randrange(3)
                entry = make_entry(
                    job_id, workspace=workspace, band=band, after=second, mode=mode, pool=pool
                )
                scheduler.add(entry)
                added.append(job_id)
            victim = rng.choice(added)
            if victim in scheduler:
                scheduler.remove(victim)
                ends[victim] += 1
        scheduler.release_delayed(now)
        scheduler.promote(now)
        still = []
        for until, job_id, entry in running:
            if until > second:
                still.append((until, job_id, entry))
                continue
            scheduler.ended(entry)
            if rng.random() < 0.2:
                scheduler.add(entry, not_before=now + timedelta(seconds=rng.randrange(1, 9)))
            else:
                ends[job_id] += 1
        running = still
        serving = rng.choice(
            [{"*/style/base"}, {"*/style/base", "*/avatar/base", "gpu/style/base"}]
            if second < 500
            else [{f"{p}/{m}/base" for p in ("*", "gpu") for m in ("style", "avatar")}]
        )
        while len(running) < 12 and (chosen := scheduler.next(serving)) is not None:
            assert chosen.target in serving
            running.append((second + rng.randrange(1, 3), chosen.job_id, chosen))
        second += 1
    assert set(ends) == set(added) and set(ends.values()) == {1}
    assert len(added) == 4000
    assert not any(scheduler._running.values())


class Moment(datetime):
    """A moment that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Moment.compared += 1
        return super().__eq__(other)

    def __lt__(self, other: datetime) -> bool:  # type: ignore[override]  # as datetime's own
        Moment.compared += 1
        return super().__lt__(other)

    def __gt__(self, other: datetime) -> bool:  # type: ignore[override]  # as datetime's own
        Moment.compared += 1
        return super().__gt__(other)

    __hash__ = datetime.__hash__


@pytest.mark.parametrize("shuffled", [False, True], ids=["by age", "in any order"])
def test_a_long_queue_costs_its_last_job_no_more_than_its_first(*, shuffled: bool) -> None:
    """Counted in comparisons, not in time; after a restart jobs come in any order."""
    jobs, begin = 4096, Moment.fromtimestamp(START.timestamp(), tz=START.tzinfo)
    entries = [
        make_entry(f"job-{n}", workspace=f"ws_{n % 7}", created_at=begin + timedelta(seconds=n))
        for n in range(jobs)
    ]
    if shuffled:
        random.Random(7).shuffle(entries)
    scheduler = Scheduler()
    costs = []
    for entry in entries:
        Moment.compared = 0
        scheduler.add(entry)
        costs.append(Moment.compared)
    # Two comparisons a level of the heap: for equality, then for order.
    assert max(costs) <= 2 * math.log2(jobs)
    costs = []
    for _ in range(jobs):
        Moment.compared = 0
        assert scheduler.next(TARGETS) is not None
        costs.append(Moment.compared)
    assert max(costs) <= 4 * math.log2(jobs)
