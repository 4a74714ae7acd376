"""The rate window: one UTC minute a workspace, exact whoever counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from imagerift_core.mongo import Database
from imagerift_core.mongo.rate_limit import RateWindow, RateWindowStore
from pymongo.read_concern import ReadConcern

# Far ahead, so that the store's own clearing of old windows stays out of it.
NOON = datetime(2126, 11, 22, 12, 0, 30, tzinfo=UTC)


async def count(database: Database, at: datetime = NOON, workspace: str = "ws_a") -> RateWindow:
    return await RateWindowStore(database).count(workspace, limit=30, at=at)


async def test_concurrent_requests_get_every_number_once(database: Database) -> None:
    windows = await asyncio.gather(*(count(database) for _ in range(80)))
    assert sorted(window.count for window in windows) == list(range(1, 81))
    assert sum(not window.exceeded for window in windows) == 30
    assert {window.remaining for window in windows} == set(range(30))


async def test_the_window_starts_anew_at_the_full_minute(database: Database) -> None:
    last = NOON.replace(second=59, microsecond=999_000)
    assert (await count(database, last)).count == 1
    assert (await count(database, last)).count == 2
    assert (await count(database, last + timedelta(milliseconds=1))).count == 1
    assert (await count(database, NOON.replace(second=0))).count == 3


async def test_workspaces_do_not_share_a_window(database: Database) -> None:
    await count(database)
    assert (await count(database, workspace="ws_b")).count == 1


async def test_the_same_instant_in_another_time_zone_is_the_same_window(
    database: Database,
) -> None:
    await count(database)
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    assert (await count(database, NOON.astimezone(kathmandu))).count == 2


@pytest.mark.parametrize(
    ("second", "millisecond", "wait"),
    [(0, 0, 60), (29, 600, 31), (59, 0, 1), (59, 400, 1), (59, 999, 1), (0, 1, 60)],
)
async def test_waiting_as_told_always_reaches_the_next_window(
    database: Database, second: int, millisecond: int, wait: int
) -> None:
    at = NOON.replace(second=second, microsecond=millisecond * 1000)
    window = await count(database, at)
    assert window.resets_in_seconds == wait
    assert (await count(database, at + timedelta(seconds=wait))).count == 1


async def test_a_window_outlives_its_minute_and_then_goes(database: Database) -> None:
    await count(database)
    windows = database.rate_windows.with_options(read_concern=ReadConcern("local"))
    (window,) = await windows.find().to_list(None)
    assert window["expires_at"] == NOON.replace(minute=2, second=0)
    indexes = await database.rate_windows.index_information()
    assert indexes["expires_at_1"]["expireAfterSeconds"] == 0
