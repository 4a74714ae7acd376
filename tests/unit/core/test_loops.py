"""A loop that dies is begun again; one that keeps dying is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from imagerift_core.loops import DEATHS, LONGEST_PAUSE, WITHIN, Loops


class World:
    """Loops with a clock that moves while they pause, up to the last pause of the test."""

    def __init__(self) -> None:
        self.at = 0.0
        self.pauses: list[float] = []
        self.last_pause = 10**6
        self.rests = asyncio.Event()
        self.loops = Loops(monotonic=lambda: self.at, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at += seconds
        if len(self.pauses) >= self.last_pause:
            self.rests.set()
            await asyncio.Event().wait()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.loops.close()


async def test_a_loop_that_dies_is_begun_again(world: World) -> None:
    runs: list[int] = []
    lives = asyncio.Event()

    async def loop() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise ValueError("broken")
        lives.set()
        await asyncio.Event().wait()

    world.loops.start("loop", loop)
    async with asyncio.timeout(10):
        await lives.wait()
    assert world.pauses == [1, 2]
    assert world.loops.dying == []


async def test_one_that_keeps_dying_is_told_after_minutes_and_the_others_live(world: World) -> None:
    world.last_pause = DEATHS
    other = asyncio.Event()

    async def broken() -> None:
        assert world.loops.dying == []
        raise ValueError("broken")

    async def well() -> None:
        await other.wait()

    world.loops.start("well", well)
    world.loops.start("broken", broken)
    async with asyncio.timeout(10):
        await world.rests.wait()
    assert world.loops.dying == ["broken"]
    # Whoever starts the process anew must not take it for one that never came up.
    assert sum(world.pauses[:-1]) > 540
    assert max(world.pauses) == LONGEST_PAUSE
    world.at += WITHIN
    assert world.loops.dying == []


async def test_one_that_dies_now_and_then_is_begun_again_at_once_and_never_told(
    world: World,
) -> None:
    world.last_pause = 3 * DEATHS

    async def loop() -> None:
        assert world.loops.dying == []
        world.at += WITHIN
        raise ValueError("broken")

    world.loops.start("loop", loop)
    async with asyncio.timeout(10):
        await world.rests.wait()
    assert set(world.pauses) == {1.0}


async def test_a_cancellation_of_something_that_it_waited_for_does_not_end_it(
    world: World,
) -> None:
    runs: list[int] = []
    lives = asyncio.Event()

    async def loop() -> None:
        runs.append(1)
        if len(runs) == 1:
            somebody_elses = asyncio.get_running_loop().create_future()
            somebody_elses.cancel()
            await somebody_elses
        lives.set()
        await asyncio.Event().wait()

    world.loops.start("loop", loop)
    async with asyncio.timeout(10):
        await lives.wait()


async def test_one_that_returns_has_ended_and_close_ends_the_others(world: World) -> None:
    ended: list[str] = []

    async def short() -> None:
        ended.append("short")

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("long")

    world.loops.start("long", long)
    world.loops.start("short", short)
    assert world.loops.names == ["long", "short"]
    await asyncio.sleep(0)
    await world.loops.close()
    assert ended == ["short", "long"]
    assert world.pauses == []


async def test_there_are_no_two_of_a_name(world: World) -> None:
    async def loop() -> None:
        await asyncio.Event().wait()

    world.loops.start("loop", loop)
    with pytest.raises(ValueError, match="loop"):
        world.loops.start("loop", loop)
