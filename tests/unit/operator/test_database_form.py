"""An operator leads only on a database whose form its release knows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.migrations import Form, ReleaseTooOld
from imagerift_operator import context

from tests.unit.operator.started_operator import SETTINGS


async def test_an_operator_of_an_older_release_waits_until_the_database_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context, "ASK_AGAIN_SECONDS", 0)
    answers = [ReleaseTooOld("too old"), CapacityUnavailable("away"), Form()]
    check, lead = AsyncMock(side_effect=answers), AsyncMock()
    operator = context.OperatorContext(SETTINGS)
    follows = asyncio.Event()
    follows.set()
    operator._given = cast(
        Any,
        SimpleNamespace(
            migrations=SimpleNamespace(check=check),
            catalogue=SimpleNamespace(refresh=AsyncMock()),
            clocks=SimpleNamespace(follows=follows),
            leadership=SimpleNamespace(run=lead),
        ),
    )
    await operator._lead()
    assert check.await_count == 3
    lead.assert_awaited_once()
