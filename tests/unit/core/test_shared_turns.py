"""What shares a turn: items of one workspace that wait together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from imagerift_core.shared_turns import SharedTurns


class Bench:
    """Work that waits to be let go, and the groups that it was given."""

    def __init__(self, places: int = 1, max_items: int = 3) -> None:
        self.groups: list[list[str]] = []
        self.canceled: list[list[str]] = []
        self._go = asyncio.Semaphore(0)
        self.turns: SharedTurns[str, str] = SharedTurns(places, self._work, max_items=max_items)
        self.tasks: dict[str, asyncio.Task[str]] = {}

    async def want(self, *items: str) -> None:
        """The workspace is what an item begins with."""
        for item in items:
            self.tasks[item] = asyncio.create_task(self.turns.add(item[0], item))
        await settled()

    async def let_go(self) -> None:
        self._go.release()
        await settled()

    async def leave(self, *items: str) -> None:
        for item in items:
            self.tasks[item].cancel()
        await settled()

    async def _work(self, workspace: str, group: list[str]) -> Sequence[str | Exception]:
        assert {item[0] for item in group} == {workspace}
        self.groups.append(group)
        try:
            await self._go.acquire()
        except asyncio.CancelledError:
            self.canceled.append(group)
            raise
        if "broken" in group[0]:
            raise ZeroDivisionError
        return [LookupError(item) if "bad" in item else item.upper() for item in group]


async def settled() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def test_what_waits_of_one_workspace_shares_a_turn_and_workspaces_take_turns() -> None:
    bench = Bench()
    await bench.want("a0", "a1", "a2", "a3", "a4", "a5", "a6", "b0", "b1")
    for _ in range(4):
        await bench.let_go()
    assert bench.groups == [["a0", "a1", "a2"], ["a3", "a4", "a5"], ["b0", "b1"], ["a6"]]
    assert [await task for task in bench.tasks.values()] == [item.upper() for item in bench.tasks]


async def test_one_that_comes_alone_waits_for_nobody() -> None:
    bench = Bench(places=2)
    await bench.want("a0")
    await bench.want("a1")
    await bench.want("a2", "a3")
    assert bench.groups == [["a0"], ["a1"]]
    await bench.let_go()
    assert bench.groups == [["a0"], ["a1"], ["a2", "a3"]]


async def test_an_outcome_that_is_an_exception_is_one_caller_s_alone() -> None:
    bench = Bench()
    await bench.want("a_first", "a_bad", "a_good")
    await bench.let_go()
    await bench.let_go()
    assert await bench.tasks["a_good"] == "A_GOOD"
    with pytest.raises(LookupError):
        await bench.tasks["a_bad"]


async def test_what_the_work_raises_is_raised_to_all_of_the_group() -> None:
    bench = Bench()
    await bench.want("a_broken")
    await bench.let_go()
    with pytest.raises(ZeroDivisionError):
        await bench.tasks["a_broken"]
    await bench.want("a_next")
    await bench.let_go()
    assert await bench.tasks["a_next"] == "A_NEXT"


async def test_work_ends_when_the_last_of_its_callers_goes_away() -> None:
    bench = Bench()
    await bench.want("b0")
    await bench.want("a0", "a1", "a2", "a3")
    await bench.let_go()
    assert bench.groups[-1] == ["a0", "a1", "a2"]
    await bench.leave("a0", "a1")
    assert not bench.canceled
    await bench.leave("a2")
    assert bench.canceled == [["a0", "a1", "a2"]]
    assert bench.groups[-1] == ["a3"]


async def test_who_leaves_before_its_turn_is_not_worked_on() -> None:
    bench = Bench()
    await bench.want("b0")
    await bench.want("a0", "a1")
    await bench.leave("a0")
    await bench.let_go()
    assert bench.groups == [["b0"], ["a1"]]


async def test_after_close_nobody_waits() -> None:
    bench = Bench()
    await bench.want("a0")
    await bench.want("a1", "b0")
    await bench.turns.close()
    outcomes = await asyncio.gather(*bench.tasks.values(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
