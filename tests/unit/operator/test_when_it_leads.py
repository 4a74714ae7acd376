"""An operator stands for election once it knows the store's clock, and the database's form."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

from imagerift_operator.context import OperatorContext


async def test_it_waits_for_the_clock_and_then_for_the_database() -> None:
    order: list[str] = []

    async def known() -> None:
        order.append("database")

    async def run() -> None:
        order.append("leads")

    follows = asyncio.Event()
    operator = SimpleNamespace(
        _given=SimpleNamespace(clocks=SimpleNamespace(follows=follows)),
        _until_the_database_is_known=known,
        leadership=SimpleNamespace(run=AsyncMock(side_effect=run)),
    )
    leading = asyncio.create_task(OperatorContext._lead(cast(Any, operator)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == []
    follows.set()
    await leading
    assert order == ["database", "leads"]
