"""The scheduler's promises, on single cases and on thousands of synthetic jobs."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagerift_operator.entries import Entry
from imagerift_operator.scheduler import TOP_BAND, Scheduler

from tests.unit.operator.builders import START, make_entry

STYLE = {"mode/style"}


def drain(scheduler: Scheduler, targets: set[str]) -> list[str]:
    taken = []
    while (entry := scheduler.next(targets)) is not None:
        taken.append(entry.job_id)
    return taken


def test_jobs_of_one_workspace_run_in_the_order_of_their_age() -> None:
    scheduler = Scheduler()
    for number in (3, 1, 2):
        scheduler.add(make_entry(f"job-{number}", after=number))
    assert drain(scheduler, STYLE) == ["job-1", "job-2", "job-3"]


def test_a_higher_band_runs_first() -> None:
    scheduler = Scheduler()
    scheduler.add(make_entry("normal", workspace="ws_n", band=0))
    scheduler.add(make_entry("business", workspace="ws_b", band=2, after=5))
    scheduler.add(make_entry("pro", workspace="ws_p", band=1, after=3))
    assert drain(scheduler, STYLE) == ["business", "pro", "normal"]


def test_workspaces_of_a_band_take_turns_however_much_one_of_them_queues() -> None:
    scheduler = Scheduler()
    for number in range(100):
        scheduler.add(make_entry(f"big-{number}", workspace="ws_big", after=number / 100))
    for number in range(3):
        scheduler.add(make_entry(f"small-{number}", workspace="ws_small", after=50 + number))
    first = drain(scheduler, STYLE)[:6]
    assert Counter(job.split("-")[0] for job in first) == {"big": 3, "small": 3}


def test_a_job_that_cannot_run_now_does_not_hold_up_others() -> None:
    scheduler = Scheduler()
    scheduler.add(make_entry("blocked", mode="avatar"))
    scheduler.add(make_entry("free", after=9))
    assert drain(scheduler, STYLE) == ["free"]
    assert drain(scheduler, {"mode/avatar"}) == ["blocked"]


def test_a_pinned_job_runs_on_its_own_pool_only() -> None:
    scheduler = Scheduler()
    scheduler.add(make_entry("pinned", pool="gpu"))
    assert drain(scheduler, {"mode/style", "pool/cpu"}) == []
    assert drain(scheduler, {"mode/style", "pool/gpu"}) == ["pinned"]


def test_adding_twice_changes_nothing_and_removing_forgets() -> None:
    scheduler = Scheduler()
    for _ in range(2):
        scheduler.add(make_entry("job"))
    scheduler.add(make_entry("gone"))
    scheduler.remove("gone")
    scheduler.remove("never-there")
    assert len(scheduler) == 1
    assert drain(scheduler, STYLE) == ["job"]
    assert len(scheduler) == 0


def test_a_job_that_comes_back_keeps_the_place_of_its_age() -> None:
    scheduler = Scheduler()
    for number in range(4):
        scheduler.add(make_entry(f"job-{number}", after=number))
    first = scheduler.next(STYLE)
    assert first is not None
    scheduler.add(first)
    assert drain(scheduler, STYLE) == ["job-0", "job-1", "job-2", "job-3"]


def test_a_delayed_job_waits_for_its_time() -> None:
    scheduler = Scheduler()
    due = START + timedelta(seconds=10)
    scheduler.add(make_entry("later"), not_before=due)
    assert "later" in scheduler
    assert scheduler.release_delayed(START) == due
    assert drain(scheduler, STYLE) == []
    assert scheduler.release_delayed(due) is None
    assert drain(scheduler, STYLE) == ["later"]


def test_a_delayed_job_that_was_removed_never_runs() -> None:
    scheduler = Scheduler()
    scheduler.add(make_entry("later"), not_before=START)
    scheduler.remove("later")
    scheduler.release_delayed(START + timedelta(seconds=1))
    assert drain(scheduler, STYLE) == []


def test_order_lists_every_waiting_job_once_and_starts_with_the_next_one() -> None:
    scheduler = Scheduler()
    for number in range(30):
        scheduler.add(
            make_entry(f"j{number}", workspace=f"ws_{number % 4}", band=number % 3, after=number)
        )
    listed = [entry.job_id for entry in scheduler.order()]
    assert sorted(listed) == sorted(f"j{number}" for number in range(30))
    head = scheduler.next(STYLE)
    assert head is not None and head.job_id == listed[0]


def test_waiting_raises_the_band_until_the_job_runs_before_fresh_higher_ones() -> None:
    scheduler = Scheduler(promote_seconds=60)
    scheduler.add(make_entry("old", workspace="ws_free", band=0))
    at = START + timedelta(seconds=60 * 3 + 1)
    scheduler.add(make_entry("fresh", workspace="ws_business", band=2, after=181))
    scheduler.promote(at)
    assert drain(scheduler, STYLE) == ["old", "fresh"]


@pytest.mark.parametrize("seed", range(5))
def test_under_constant_overload_nobody_starves_and_turns_are_fair(seed: int) -> None:
    """A simulation: twice as much work arrives as can run, most of it in the top plan."""
    rng = random.Random(seed)
    scheduler = Scheduler(promote_seconds=20)
    waited: dict[int, list[float]] = {0: [], 1: [], 2: []}
    served: list[Entry] = []
    number = 0
    for second in range(600):
        at = START + timedelta(seconds=second)
        for _ in range(8):
            band = rng.choices([0, 1, 2], weights=[1, 2, 5])[0]
            entry = make_entry(
                f"job-{number}", workspace=f"ws_{band}_{rng.randrange(3)}", band=band, after=second
            )
            number += 1
            scheduler.add(entry)
        scheduler.promote(at)
        for _ in range(4):
            picked = scheduler.next(STYLE)
            assert picked is not None
            served.append(picked)
            waited[picked.band].append((at - picked.created_at).total_seconds())
    assert len({entry.job_id for entry in served}) == len(served) == 2400
    assert min(len(times) for times in waited.values()) > 0
    # Half of all work can be served, so a job waits at most about half the run, whatever its plan;
    # lower plans reach the top band and from there on only age counts.
    assert max(waited[0]) <= 20 * TOP_BAND + 300
    assert sum(waited[2]) / len(waited[2]) <= sum(waited[0]) / len(waited[0])
    for band in (0, 1, 2):
        for lane in range(3):
            ages = [e.created_at for e in served if e.workspace == f"ws_{band}_{lane}"]
            assert ages == sorted(ages)


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 9), st.booleans()),
        max_size=80,
    )
)
def test_every_job_added_and_not_removed_comes_out_exactly_once(
    steps: list[tuple[int, int, int, bool]],
) -> None:
    scheduler = Scheduler()
    expected: set[str] = set()
    for number, workspace, band, remove in steps:
        job_id = f"job-{number}"
        if remove:
            scheduler.remove(job_id)
            expected.discard(job_id)
        else:
            scheduler.add(make_entry(job_id, workspace=f"ws_{workspace}", band=band, after=number))
            expected.add(job_id)
        scheduler.promote(START + timedelta(seconds=number * 50))
    assert len(scheduler) == len(expected)
    assert sorted(drain(scheduler, STYLE)) == sorted(expected)
