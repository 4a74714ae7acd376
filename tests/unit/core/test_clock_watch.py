"""Which clock a process goes by, and what it knows of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from imagerift_core import clock, clock_watch
from imagerift_core.clock import Clock
from imagerift_core.clock_watch import MAX_SKEW, ClockWatch, date_of, watched_clocks
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.loops import Loops
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from structlog.testing import capture_logs

HOUR = timedelta(hours=1)
NEAR = timedelta(seconds=5)


class Store:
    """A store whose clock is ahead of this machine's, and that answers after so many ticks."""

    def __init__(self, ahead: timedelta, *, takes: timedelta = timedelta()) -> None:
        self.ahead = ahead
        self.takes = takes
        self.away = False

    async def time(self) -> datetime:
        if self.away:
            raise CapacityUnavailable("The store does not answer.")
        ticked.by += self.takes
        return datetime.now(UTC) + self.ahead


class Ticked:
    """Ticks that a test moves on."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> timedelta:
        return self.by


ticked = Ticked()


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this test alone, which stands unless it is moved on."""
    fresh = Clock()
    monkeypatch.setattr(clock, "follow", fresh.follow)
    monkeypatch.setattr(clock, "ticks", ticked)
    return fresh


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock_watch, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(clock_watch, "START_SECONDS", 0.2)
    ticked.by = timedelta()
    yield


async def settled() -> None:
    """Lets every store be asked that is asked at once."""
    for _ in range(50):
        await asyncio.sleep(0)


def stores(**found: Store) -> dict[str, clock_watch.ReadClock]:
    return {name: store.time for name, store in found.items()}


@asynccontextmanager
async def watched(found: dict[str, clock_watch.ReadClock]) -> AsyncIterator[ClockWatch]:
    loops = Loops()
    try:
        yield await watched_clocks(found, loops)
    finally:
        await loops.close()


async def test_times_are_mongodbs_whatever_this_machines_clock_is_set_to(
    ours: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert abs(ours.now() - datetime.now(UTC)) < NEAR
    async with watched(stores(s3=Store(-HOUR), mongodb=Store(HOUR))):
        await settled()
    assert abs(ours.now() - datetime.now(UTC) - HOUR) < NEAR

    before = ours.now()
    # From now on it is not even asked.
    monkeypatch.setattr(clock, "datetime", None)
    ticked.by += timedelta(minutes=1)
    assert ours.now() - before == timedelta(minutes=1)


async def test_a_start_does_not_wait_for_ever_and_the_first_answer_is_followed(ours: Clock) -> None:
    store = Store(HOUR)
    store.away = True
    async with watched(stores(mongodb=store)) as watch:
        assert not watch.follows.is_set()
        store.away = False
        async with asyncio.timeout(30):
            await watch.follows.wait()
    assert abs(ours.now() - datetime.now(UTC) - HOUR) < NEAR


async def test_the_log_has_the_servers_own_words_for_why_a_store_does_not_answer(
    ours: Clock,
) -> None:
    async def of_a_strange_authority() -> datetime:
        words = "127.0.0.1:27017: certificate verify failed (configured timeouts"
        raise CapacityUnavailable("The job store does not answer.") from OSError(words + "…" * 999)

    with capture_logs() as logs:
        async with watched({"mongodb": of_a_strange_authority}):
            pass
    told = next(entry for entry in logs if entry["event"] == "clock_not_read")
    assert (told["log_level"], told["store"]) == ("warning", "mongodb")
    assert "certificate verify failed" in told["words"]
    assert len(told["words"]) <= clock_watch.LONGEST_WORDS


async def test_a_reading_that_took_too_long_is_not_followed(ours: Clock) -> None:
    store = Store(HOUR, takes=timedelta(seconds=3))
    async with watched(stores(mongodb=store)) as watch:
        assert not watch.follows.is_set()
        store.takes = timedelta(seconds=1)
        async with asyncio.timeout(30):
            await watch.follows.wait()


async def test_stores_that_differ_by_more_than_the_bound_do_not_agree(ours: Clock) -> None:
    second = timedelta(seconds=1)
    near, far = Store(HOUR - MAX_SKEW + second), Store(HOUR + MAX_SKEW + second)
    away = Store(HOUR)
    away.away = True
    found = stores(mongodb=Store(HOUR), near=near, far=far, away=away)
    async with watched(found) as watch:
        await settled()
        agree = {name: watch.agrees(name) for name in found}
    assert agree == {"mongodb": True, "near": True, "far": False, "away": True}


async def test_what_is_shown_is_how_far_this_machine_is_ahead(ours: Clock) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    away = Store(HOUR)
    away.away = True
    found = stores(mongodb=Store(HOUR), s3=Store(-HOUR), kubernetes=away)
    async with watched(found) as watch:
        await settled()
        watch.show(provider.get_meter("test"))
        data = reader.get_metrics_data()
    assert data is not None
    shown = {
        metric.name: {
            str((point.attributes or {})["store"]): point.value  # type: ignore[union-attr]
            for point in metric.data.data_points
        }
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    provider.shutdown()
    skew = shown["imagerift_clock_skew"]
    assert {store: round(seconds, -2) for store, seconds in skew.items()} == {
        "mongodb": -3600,
        "s3": 3600,
    }
    assert shown["imagerift_store_answers"] == {"mongodb": 1, "s3": 1, "kubernetes": 0}
    assert shown["imagerift_store_answer"] == {"mongodb": 0, "s3": 0}


def test_the_date_of_an_answer_is_the_middle_of_its_second() -> None:
    told = date_of({"Date": "Sat, 28 Nov 2026 09:00:00 GMT"})
    assert told == datetime(2026, 11, 28, 9, 0, 0, 500_000, UTC)
