"""Estimates of waiting against what then happens, on a clock of the test's own."""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from imagerift_operator.job_entry import JobEntry, entry_of
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.wait_estimates import Forecast, Pace, SlotGroup, forecast

from tests.unit.operator.builders import START, make_entry

STYLE = {"*/style/base"}
# What an estimate may be off by, of the true wait; where that is short, the simulation's own steps.
SHARE = 0.3
STEP_SECONDS = 0.25


@dataclass
class Simulation:
    """A queue on a few slots; time goes on in small steps."""

    slots: int
    seconds_a_unit: float
    rng: random.Random
    jitter: float = 0.0
    scheduler: Scheduler = field(default_factory=Scheduler)
    pace: Pace = field(default_factory=Pace)
    busy: list[tuple[float, str, float, JobEntry]] = field(default_factory=list)
    started: dict[str, float] = field(default_factory=dict)
    estimates: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def run(self) -> None:
        second = 0.0
        while len(self.scheduler) or self.busy:
            while self.busy and self.busy[0][0] <= second:
                _, _, since, ended = heapq.heappop(self.busy)
                self.scheduler.ended(ended)
                self.pace.ran(ended, second - since)
            while len(self.busy) < self.slots and (entry := self.scheduler.next(STYLE)):
                self.started[entry.job_id] = second
                off = self.rng.uniform(1 - self.jitter, 1 + self.jitter)
                takes = self.seconds_a_unit * entry.units * off
                heapq.heappush(self.busy, (second + takes, entry.job_id, second, entry))
            for coming in self.forecast(second):
                if coming.wait_seconds is not None:
                    self.estimates[coming.entry.job_id].append((second, coming.wait_seconds))
            second += STEP_SECONDS

    def forecast(self, second: float) -> list[Forecast]:
        left = defaultdict(list)
        for _, _, since, entry in self.busy:
            expected = self.pace.expected_seconds(entry)
            left[entry.workspace].append(max(0.0, expected - (second - since)))
        free_in = [seconds for lefts in left.values() for seconds in lefts]
        free_in += [0.0] * (self.slots - len(self.busy))
        return list(
            forecast(
                self.scheduler.order(),
                [SlotGroup(frozenset(STYLE), free_in)],
                self.pace,
                limits=self.scheduler.limits,
                running=left,
            )
        )

    def misses(self, *, allowed_seconds: float = 2 * STEP_SECONDS) -> list[str]:
        """Estimates that were off by more than they may, as sentences."""
        return [
            f"{job_id} at {second:g} s: {estimate:.1f} s of {self.started[job_id] - second:.1f} s"
            for job_id, estimates in self.estimates.items()
            for second, estimate in estimates
            if abs(estimate - (true := self.started[job_id] - second))
            > max(SHARE * true, allowed_seconds)
        ]


@pytest.mark.parametrize("seconds_a_unit", [5.0, 60.0])
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("variations", [(1,), (1, 2, 8)])
@pytest.mark.parametrize("jitter", [0.0, 0.15])
@pytest.mark.slow
def test_an_estimate_is_within_three_tenths_of_the_true_wait(
    jitter: float, variations: tuple[int, ...], slots: int, seconds_a_unit: float
) -> None:
    simulation = Simulation(slots, seconds_a_unit, random.Random(7), jitter)
    for number in range(24):
        units = simulation.rng.choice(variations)
        entry = make_entry(f"job-{number}", workspace=f"ws_{number % 3}", units=units)
        simulation.scheduler.add(entry)
    simulation.run()

    assert len(simulation.estimates) > 12
    # Nobody knows by how much the job that runs now is longer than others.
    unknown = 2 * jitter * seconds_a_unit * max(variations)
    assert simulation.misses(allowed_seconds=unknown + 2 * STEP_SECONDS) == []


def test_a_workspace_at_its_limit_waits_for_its_own_jobs() -> None:
    simulation = Simulation(4, 10.0, random.Random(7))
    simulation.scheduler.limit("ws_a", 1)
    for number in range(8):
        simulation.scheduler.add(make_entry(f"job-{number}", after=number))
    simulation.run()

    assert len(simulation.estimates) > 4
    assert simulation.misses() == []


def test_nothing_ends_for_a_long_time_and_the_estimate_does_not_grow() -> None:
    pace = Pace()
    pace.ran(make_entry("before"), 60.0)
    waits = []
    for ran in range(0, 120, 10):
        group = SlotGroup(frozenset(STYLE), [max(0.0, 60.0 - ran)])
        [coming] = forecast([make_entry("next")], [group], pace, limits={}, running={})
        waits.append(coming.wait_seconds)
    assert waits == [60.0, 50.0, 40.0, 30.0, 20.0, 10.0, *[0.0] * 6]


def test_positions_count_the_units_that_come_before() -> None:
    entries = [make_entry("a", units=8), make_entry("b", units=2), make_entry("c")]
    coming = forecast(entries, [], Pace(), limits={}, running={})
    assert [(c.entry.job_id, c.units_before) for c in coming] == [("a", 0), ("b", 8), ("c", 10)]


def test_nothing_is_said_of_what_no_slot_serves_or_was_never_seen_to_run() -> None:
    pace = Pace()
    pace.ran(make_entry("seen", mode="style"), 3.0)
    group = SlotGroup(frozenset({*STYLE, "*/avatar/base"}), [0.0])
    entries = [
        make_entry("away", mode="enhance"),
        make_entry("first", mode="avatar"),
        make_entry("behind", mode="style"),
    ]
    coming = forecast(entries, [group], pace, limits={}, running={})
    assert {c.entry.job_id: c.wait_seconds for c in coming} == {
        "away": None,
        "first": 0.0,
        "behind": None,
    }


def test_pools_of_one_kind_share_their_slots_and_others_do_not() -> None:
    pace = Pace()
    pace.ran(make_entry("seen"), 10.0)
    entries = [make_entry(str(number)) for number in range(4)]
    other = SlotGroup(frozenset({"*/style/4k"}), [0.0] * 4)
    slot_groups = [SlotGroup(frozenset(STYLE), [0.0]), SlotGroup(frozenset(STYLE), [4.0]), other]
    coming = forecast(entries, slot_groups, pace, limits={}, running={})
    assert [c.wait_seconds for c in coming] == [0.0, 4.0, 10.0, 14.0]


@pytest.mark.parametrize(("spec", "units"), [({}, 1), ({"variations": 8}, 8)])
def test_the_units_of_a_job_are_its_variations(spec: dict[str, Any], units: int) -> None:
    body = {
        "metadata": {"name": "a", "uid": "u", "creationTimestamp": START.isoformat()},
        "spec": spec,
    }
    assert entry_of(body).units == units


def test_a_thousand_places_are_made_without_going_through_the_rest() -> None:
    read = []

    def waiting() -> Any:
        for number in range(100_000):
            read.append(number)
            yield make_entry(str(number))

    coming = forecast(waiting(), [], Pace(), limits={}, running={})
    assert len(list(islice(coming, 1_000))) == 1_000
    assert len(read) == 1_000


def test_a_job_of_several_sizes_takes_its_largest_ones_time_and_says_nothing_of_it() -> None:
    pace = Pace()
    pace.ran(make_entry("large", export_size="4k", units=2), 20.0)
    mixed = make_entry("mixed", export_size="4k", units=3, of_one_size=False)
    assert pace.expected_seconds(mixed) == 30.0
    pace.ran(mixed, 3.0)
    assert pace.expected_seconds(make_entry("next", export_size="4k")) == 10.0
