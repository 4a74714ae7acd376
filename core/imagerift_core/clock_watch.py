"""Compares this machine's clock with those of its stores, and has `clock.now` follow MongoDB's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from imagerift_core import clock
from imagerift_core.loops import Loops

log = structlog.get_logger(__name__)

FOLLOWED = "mongodb"
PAUSE_SECONDS = 60.0
# Of a store that has not answered yet.
FIRST_PAUSE_SECONDS = 2.0
# How long a start waits for the first reading; a store that is away holds up nobody for longer.
START_SECONDS = 5.0
# MongoDB's driver goes on to describe the whole set.
LONGEST_WORDS = 300
READINGS = 3
# A reading that is less certain says too little.
MAX_ERROR = timedelta(seconds=1)
# Where the clocks of two stores differ by more, no correction of ours mends it: half of the minute
# for which the URLs of an attempt outlive it.
MAX_SKEW = timedelta(seconds=30)

ReadClock = Callable[[], Awaitable[datetime]]


class ClockWatch:
    """What is known of the stores' clocks; nothing of one that has never answered.

    `stores` reads their clocks, by the stores' names.
    """

    def __init__(self, stores: Mapping[str, ReadClock]) -> None:
        self._stores = stores
        # By each store's clock, when our ticks were 0.
        self._origins: dict[str, datetime] = {}
        # Whether each answered when it was last asked, and how long the quickest answer took.
        self._answers: dict[str, bool] = {}
        self._took: dict[str, timedelta] = {}
        self.follows = asyncio.Event()

    async def run(self) -> None:
        """Reads every clock now and every minute, until canceled."""
        await asyncio.gather(*(self._watch(store) for store in self._stores))

    def agrees(self, store: str) -> bool:
        """Whether a store's clock and the one that is followed are near enough to each other.

        True of one that has not answered: whoever needs it will notice that.
        """
        ours, theirs = self._origins.get(FOLLOWED), self._origins.get(store)
        return ours is None or theirs is None or abs(ours - theirs) <= MAX_SKEW

    def skew(self, store: str) -> timedelta:
        """How far this machine's wall clock is ahead of a store's. Raises `KeyError`."""
        return datetime.now(UTC) - clock.ticks() - self._origins[store]

    def show(self, meter: Meter) -> None:
        """Registers the gauges of the stores, which are read when they are scraped."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for store in list(self._origins):
                yield Observation(self.skew(store).total_seconds(), {"store": store})

        def answers(_: CallbackOptions) -> Iterable[Observation]:
            for store, answered in list(self._answers.items()):
                yield Observation(int(answered), {"store": store})

        def took(_: CallbackOptions) -> Iterable[Observation]:
            for store, duration in list(self._took.items()):
                yield Observation(duration.total_seconds(), {"store": store})

        meter.create_observable_gauge(
            "imagerift_clock_skew",
            unit="s",
            callbacks=[observe],
            description="How far this machine's wall clock is ahead of a store's.",
        )
        meter.create_observable_gauge(
            "imagerift_store_answers",
            callbacks=[answers],
            description="1 where the store answered when it was last asked.",
        )
        meter.create_observable_gauge(
            "imagerift_store_answer",
            unit="s",
            callbacks=[took],
            description="How long the store's quickest answer took when it last answered.",
        )

    async def _watch(self, store: str) -> None:
        while True:
            try:
                await self._read(store)
                self._answers[store] = True
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told and tried again
                self._answers[store] = False
                words = str(error.__cause__ or error)[:LONGEST_WORDS]
                log.warning("clock_not_read", store=store, error=type(error).__name__, words=words)
            known = store in self._origins
            await asyncio.sleep(PAUSE_SECONDS if known else FIRST_PAUSE_SECONDS)

    async def _read(self, store: str) -> None:
        error, origin = min([await _reading(self._stores[store]) for _ in range(READINGS)])
        if error > MAX_ERROR:
            raise TimeoutError("the store took too long")
        self._origins[store] = origin
        self._took[store] = 2 * error
        if store == FOLLOWED:
            clock.follow(origin)
            self.follows.set()
        skew = self.skew(store)
        if abs(skew) > MAX_SKEW:
            log.warning("clock_skewed", store=store, ahead_seconds=skew.total_seconds())


async def _reading(read: ReadClock) -> tuple[timedelta, datetime]:
    """By how much a reading may be wrong, and what it was by that clock when our ticks were 0."""
    asked = clock.ticks()
    moment = await read()
    error = (clock.ticks() - asked) / 2
    return error, moment - asked - error


def date_of(headers: Mapping[str, str]) -> datetime:
    """The time that an HTTP answer bears, which is cut to the second, so half of one is added.

    Raises `KeyError` where it bears none, `ValueError` where that is no date.
    """
    return parsedate_to_datetime(headers["Date"]) + timedelta(seconds=0.5)


async def follow(read: ReadClock) -> None:
    """Has `clock.now` follow what one reading says, for a process that is soon over."""
    _, origin = await _reading(read)
    clock.follow(origin)


async def watched_clocks(stores: Mapping[str, ReadClock], loops: Loops) -> ClockWatch:
    """Watches the clocks in one of the loops; returns once `FOLLOWED` has answered or is away."""
    watch = ClockWatch(stores)
    loops.start("clocks", watch.run)
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            await watch.follows.wait()
    return watch
