"""The scheduler's promises, on single cases."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from imagerift_operator.scheduler import Scheduler

from tests.unit.operator.builders import START, make_entry

STYLE = {"*/style/base"}


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
    assert drain(scheduler, {"*/avatar/base"}) == ["blocked"]


def test_a_pinned_job_runs_on_its_own_pool_only() -> None:
    scheduler = Scheduler()
    scheduler.add(make_entry("pinned", pool="gpu"))
    assert drain(scheduler, {"*/style/base", "cpu/style/base"}) == []
    assert drain(scheduler, {"*/style/base", "gpu/style/base"}) == ["pinned"]


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


def test_a_delayed_job_that_comes_back_waits_for_its_new_time_only() -> None:
    scheduler = Scheduler()
    entry = make_entry("later")
    for seconds in (1, 1, 10):
        scheduler.remove("later")
        scheduler.add(entry, not_before=START + timedelta(seconds=seconds))
    scheduler.release_delayed(START + timedelta(seconds=5))
    assert drain(scheduler, STYLE) == []
    scheduler.release_delayed(START + timedelta(seconds=10))
    assert drain(scheduler, STYLE) == ["later"]


def test_a_job_that_was_removed_and_comes_back_runs_once() -> None:
    scheduler = Scheduler()
    for _ in range(3):
        scheduler.add(make_entry("job"))
        scheduler.remove("job")
    scheduler.add(make_entry("job"))
    assert [entry.job_id for entry in scheduler.order()] == ["job"]
    assert drain(scheduler, STYLE) == ["job"]


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


def test_a_workspace_at_its_limit_is_passed_over_until_one_of_its_jobs_ends() -> None:
    scheduler = Scheduler()
    scheduler.limit("ws_narrow", 1)
    for number in range(3):
        scheduler.add(make_entry(f"narrow-{number}", workspace="ws_narrow", band=2, after=number))
    scheduler.add(make_entry("wide", workspace="ws_wide", after=9))
    first = scheduler.next(STYLE)
    assert first is not None and first.job_id == "narrow-0"
    assert scheduler.is_at_limit("ws_narrow")
    assert drain(scheduler, STYLE) == ["wide"]
    scheduler.ended(first)
    assert drain(scheduler, STYLE) == ["narrow-1"]
    scheduler.limit("ws_narrow", None)
    assert drain(scheduler, STYLE) == ["narrow-2"]


def test_depths_count_every_waiting_job_in_its_band() -> None:
    scheduler = Scheduler(promote_seconds=60)
    for number in range(3):
        scheduler.add(make_entry(f"n{number}", band=0))
    scheduler.add(make_entry("b", band=2))
    scheduler.add(make_entry("later", band=2), not_before=START + timedelta(seconds=600))
    assert scheduler.depths() == {0: 3, 2: 2}
    scheduler.promote(START + timedelta(seconds=61))
    assert scheduler.depths() == {1: 3, 2: 1, 3: 1}
    scheduler.remove("later")
    assert sum(scheduler.depths().values()) == len(scheduler) == 4


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
