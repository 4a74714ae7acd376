"""What is shown of pools, and how long their servers load."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, cast
from unittest.mock import MagicMock

from imagerift_core.modes import load_modes
from imagerift_operator.load_time import LoadTime
from imagerift_operator.pool_figures import PoolFigures, waiting_jobs
from imagerift_operator.pools import CONTROL_MODEL, Pools

from tests.unit.operator.builders import START, isolation
from tests.unit.operator.test_pool_choice import LOADED, NOTHING, add_pool, replica

SECOND = timedelta(seconds=1)


def figures(pools: Pools, *, leading: bool = True, **waiting: int) -> PoolFigures:
    scheduler = MagicMock(waiting_by_target=lambda: Counter(waiting))
    return PoolFigures(pools, cast(Any, scheduler), cast(Any, MagicMock(leading=leading)))


def two_pools() -> Pools:
    pools = Pools(NOTHING, load_modes(), changed=asyncio.Event(), isolated=isolation("pools"))
    going = replica(models=LOADED, busy=1)
    going.draining = True
    add_pool(pools, "large", replica(models=LOADED, busy=3), going)
    add_pool(pools, "loading", replica(models=[]), replica(models=[CONTROL_MODEL]))
    return pools


def test_a_pool_shows_its_servers_and_the_slots_that_can_run_something() -> None:
    shown = figures(two_pools())
    assert shown.asked() == {"large": 1, "loading": 1}
    assert shown.ready() == {"large": 1, "loading": 1}
    assert shown.slots() == {"large": 4, "loading": 0}
    assert shown.busy() == {"large": 3, "loading": 0}


def test_a_job_that_two_pools_may_take_counts_half_in_each() -> None:
    pools = two_pools()
    waiting = {"*/style/base": 4, "large/style/base": 3, "*/other/base": 9}
    assert waiting_jobs(pools, waiting) == {"large": 5, "loading": 2}


def test_jobs_that_no_pool_is_for_are_shown() -> None:
    pools = two_pools()
    assert figures(pools, pods=2).unserved() == 2
    assert figures(pools).unserved() == 0


def test_a_standby_shows_nothing_so_that_sums_count_once() -> None:
    shown = figures(two_pools(), leading=False, pods=2)
    assert shown.unserved() is None
    for read in (shown.asked, shown.ready, shown.slots, shown.busy, shown.waiting):
        assert read() == {}


def test_a_load_is_measured_once_from_the_first_answer_without_the_models() -> None:
    load = LoadTime()
    assert load.follow(ready=False, at=START) is None
    assert load.follow(ready=False, at=START + SECOND) is None
    assert load.follow(ready=True, at=START + 40 * SECOND) == 40
    # Being away for a while is no load.
    assert load.follow(ready=False, at=START + 50 * SECOND) is None
    assert load.follow(ready=True, at=START + 60 * SECOND) is None


def test_of_a_server_that_was_ready_at_once_nothing_is_known() -> None:
    load = LoadTime()
    assert load.follow(ready=True, at=START) is None
    assert load.follow(ready=False, at=START + SECOND) is None
    assert load.follow(ready=True, at=START + 2 * SECOND) is None
