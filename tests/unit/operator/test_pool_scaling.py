"""How many servers a pool gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from imagerift_operator.pool_scaling import PoolScale

START = datetime(2026, 1, 1, tzinfo=UTC)


def decide(scale: PoolScale, jobs: int, seconds: float, *, minimum: int = 0) -> int:
    return scale.decide(
        jobs=jobs,
        slots=2,
        minimum=minimum,
        maximum=4,
        patience=timedelta(seconds=60),
        at=START + timedelta(seconds=seconds),
    )


@pytest.mark.parametrize(("jobs", "servers"), [(0, 0), (1, 1), (2, 1), (3, 2), (8, 4), (100, 4)])
def test_more_servers_come_at_once(jobs: int, servers: int) -> None:
    assert decide(PoolScale(0), jobs, 0) == servers


def test_fewer_come_only_after_a_quiet_time() -> None:
    scale = PoolScale(4)
    assert decide(scale, 1, 0) == 4
    assert decide(scale, 1, 59) == 4
    assert decide(scale, 1, 60) == 1


def test_work_in_between_starts_the_quiet_time_anew() -> None:
    scale = PoolScale(2)
    assert decide(scale, 1, 0) == 2
    assert decide(scale, 4, 30) == 2
    assert decide(scale, 1, 60) == 2
    assert decide(scale, 1, 119) == 2
    assert decide(scale, 1, 120) == 1


def test_the_minimum_stays() -> None:
    scale = PoolScale(3)
    assert decide(scale, 0, 0, minimum=2) == 3
    assert decide(scale, 0, 60, minimum=2) == 2
