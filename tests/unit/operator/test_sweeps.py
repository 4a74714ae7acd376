"""When sweeps run: on the leader alone, and on after whatever one of them meets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.loops import Loops
from imagerift_operator.sweeps import schedule
from imagerift_operator.sweeps.schedule import every, repeat


class Lead:
    leading = True


class Clock:
    """Time that passes only while somebody sleeps or works; ends the run at its last pause."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, pauses: int) -> None:
        self.at = 0.0
        self.pauses: list[float] = []
        self._most = pauses
        monkeypatch.setattr(schedule, "monotonic", lambda: self.at)
        monkeypatch.setattr(schedule, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at += seconds
        if len(self.pauses) == self._most:
            raise asyncio.CancelledError


async def swept(sweep: schedule.Sweep, *, leads: bool = True) -> None:
    lead: Any = Lead()
    lead.leading = leads
    with suppress(asyncio.CancelledError):
        await repeat(sweep, lead, Loops())


async def test_a_sweep_that_fails_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, pauses=3)
    troubles = [CapacityUnavailable("away"), ValueError("broke"), None]
    ran: list[int] = []

    async def sweep(number: int) -> None:
        ran.append(number)
        trouble = troubles[len(ran) - 1]
        if trouble is not None:
            raise trouble

    await swept(every(2, sweep, 7))
    assert ran == [7, 7, 7]
    assert clock.pauses == [2, 2, 2]


async def test_one_that_takes_long_keeps_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, pauses=2)
    takes = iter([10.0, 0.5])

    async def sweep() -> None:
        clock.at += next(takes)

    await swept(every(30, sweep).with_share(0.05))
    assert clock.pauses == [190, 30]


async def test_who_does_not_lead_sweeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, pauses=2)
    ran: list[str] = []

    async def sweep() -> None:
        ran.append("swept")

    await swept(every(2, sweep), leads=False)
    assert (ran, clock.pauses) == ([], [2, 2])
