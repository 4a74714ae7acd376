"""Calls that come while a group is worked on share the next one."""

from __future__ import annotations

import asyncio
import time

import pytest
from imagerift_core.micro_batching import MicroBatcher


class Gate:
    """Work that waits until it is let go, and notes its groups."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.groups: list[list[int]] = []

    async def work(self, items: list[int]) -> list[int | Exception]:
        self.groups.append(items)
        await self.open.wait()
        return [ValueError(str(item)) if item < 0 else item * 10 for item in items]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_meanwhile_goes_together_and_in_order() -> None:
    gate = Gate()
    batcher = MicroBatcher(gate.work, max_items=3)
    calls = []
    for item in range(6):
        calls.append(asyncio.create_task(batcher.add(item)))
        await settle()
    gate.open.set()
    assert await asyncio.gather(*calls) == [0, 10, 20, 30, 40, 50]
    assert gate.groups == [[0], [1, 2, 3], [4, 5]]


async def test_a_refusal_is_raised_to_its_own_caller() -> None:
    gate = Gate()
    gate.open.set()
    batcher = MicroBatcher(gate.work, max_items=3)
    outcomes = await asyncio.gather(*(batcher.add(i) for i in (1, -2, 3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["10", "-2", "30"]


async def test_trouble_of_the_work_is_raised_to_all_of_its_group_and_no_other() -> None:
    async def work(items: list[int]) -> list[int | Exception]:
        if 1 in items:
            raise RuntimeError("away")
        return list(items)

    batcher = MicroBatcher(work, max_items=2)
    outcomes = await asyncio.gather(*(batcher.add(i) for i in range(3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["away", "away", "2"]


async def test_a_canceled_caller_takes_its_item_back() -> None:
    gate = Gate()
    batcher = MicroBatcher(gate.work, max_items=3)
    first, second, third = (asyncio.create_task(batcher.add(item)) for item in range(3))
    await settle()
    waiting = asyncio.create_task(batcher.add(7))
    await settle()
    waiting.cancel()
    last = asyncio.create_task(batcher.add(8))
    await settle()
    gate.open.set()
    assert [*await asyncio.gather(first, second, third, last)] == [0, 10, 20, 80]
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert 7 not in [item for group in gate.groups for item in group]


async def test_groups_begin_apart_but_nobody_waits_after_quiet_or_for_a_full_one() -> None:
    began: list[tuple[float, list[int]]] = []

    async def work(items: list[int]) -> list[int]:
        began.append((time.monotonic(), items))
        return items

    batcher = MicroBatcher(work, max_items=3, pause=0.5)
    start = time.monotonic()
    await batcher.add(0)
    await asyncio.gather(*(batcher.add(item) for item in (1, 2)))
    await asyncio.gather(*(batcher.add(item) for item in (3, 4, 5)))
    assert [items for _, items in began] == [[0], [1, 2], [3, 4, 5]]
    at = [moment - start for moment, _ in began]
    assert at[0] < 0.5 <= at[1]
    assert at[2] - at[1] < 0.5
