"""Places by turns: who waits for whom."""

from __future__ import annotations

import asyncio

from imagerift_core.fair_turns import FairTurns


class Line:
    """Tasks that want a place, and the order in which they got one."""

    def __init__(self, places: int) -> None:
        self.turns = FairTurns(places)
        self.order: list[str] = []
        self.go: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def want(self, workspace: str, name: str) -> None:
        self.go[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(workspace, name))
        await self.settle()

    async def end(self, name: str) -> None:
        self.go[name].set()
        await self.tasks[name]
        await self.settle()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks[name], return_exceptions=True)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _hold(self, workspace: str, name: str) -> None:
        async with self.turns.turn(workspace):
            self.order.append(name)
            await self.go[name].wait()


async def test_another_workspace_waits_for_one_of_a_crowd_at_most() -> None:
    line = Line(1)
    for number in range(4):
        await line.want("crowd", f"c{number}")
    await line.want("one", "o")
    for name in ("c0", "c1", "o", "c2", "c3"):
        await line.end(name)
    assert line.order == ["c0", "c1", "o", "c2", "c3"]


async def test_as_many_hold_places_as_there_are_and_no_more() -> None:
    line = Line(2)
    for name in ("a", "b", "c"):
        await line.want("w", name)
    assert line.order == ["a", "b"]
    await line.end("b")
    assert line.order == ["a", "b", "c"]


async def test_who_is_canceled_leaves_the_line_and_no_place_is_lost() -> None:
    line = Line(1)
    await line.want("w", "a")
    await line.want("w", "b")
    await line.want("v", "c")
    await line.cancel("b")
    await line.cancel("a")
    assert line.order == ["a", "c"]
    await line.end("c")
    await line.want("w", "d")
    assert line.order == ["a", "c", "d"]


async def test_who_is_canceled_in_the_moment_of_its_turn_passes_the_place_on() -> None:
    line = Line(1)
    for name in ("a", "b", "c"):
        await line.want(name, name)
    line.go["a"].set()
    await line.tasks["a"]
    # b was given the place, and has not run yet.
    line.tasks["b"].cancel()
    await line.settle()
    assert line.order[-1] == "c"


async def test_a_workspace_that_waits_for_nothing_is_forgotten() -> None:
    line = Line(1)
    await line.want("w", "a")
    await line.want("w", "b")
    await line.cancel("b")
    assert not line.turns._waiting
