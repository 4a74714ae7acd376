"""A database that an older release has left: forward beside it, and back to it.

`tests/data/older-release.json` is what the code of commit cb6f249 wrote: its documents and its
indexes, of before the queries of jobs and of the ledger had indexes of their own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from imagerift_core.clock import now
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database, Stores, connect
from imagerift_core.mongo.indexes import INDEXES, REPLACED
from imagerift_core.mongo.migrations import (
    DATABASE_VERSION,
    GONE_AFTER,
    Form,
    Migrations,
    ReleaseStillThere,
    ReleaseTooOld,
    Step,
)
from pymongo import IndexModel

from tests.support import job_states
from tests.support.job_records import delivered

LEFT = Path(__file__).parents[2] / "data" / "older-release.json"


async def nothing(_: Database) -> None:
    pass


@pytest.fixture
async def left(mongo_url: str) -> AsyncIterator[Database]:
    """A database of its own, as the older release has left it."""
    async with connect(mongo_url, f"test_{secrets.token_hex(6)}") as database:
        collections = database.jobs.database
        for name, content in json_util.loads(LEFT.read_text())["collections"].items():
            indexes = [dict(index) for index in content["indexes"] if index["name"] != "_id_"]
            if indexes:
                await collections[name].create_indexes([_index(index) for index in indexes])
            if content["documents"]:
                await collections[name].insert_many(content["documents"])
        yield database
        await collections.client.drop_database(collections.name)


def _index(said: dict[str, Any]) -> IndexModel:
    keys = list(said.pop("key").items())
    said.pop("v")
    return IndexModel(keys, **said)


async def indexes_of(database: Database) -> dict[str, set[str]]:
    collections = database.jobs.database
    return {name: set(await collections[name].index_information()) - {"_id_"} for name in INDEXES}


def names(indexes: dict[str, list[IndexModel]]) -> dict[str, set[str]]:
    return {name: {index.document["name"] for index in of} for name, of in indexes.items()}


def older_release(database: Database) -> Migrations:
    return Migrations(database, (Step(1, "of before", nothing, nothing),))


async def test_two_releases_side_by_side_then_the_new_one_alone_and_back(left: Database) -> None:
    before = await indexes_of(left)
    older, newer = older_release(left), Migrations(left)
    await older.say_it_is_there("old", "operator", now())
    # Every API does it when it starts, and they start together.
    await asyncio.gather(newer.expand(), Migrations(left).expand())
    assert await newer.form() == Form(DATABASE_VERSION, contracted=1, needed=1)
    both = await indexes_of(left)
    for name, wanted in names(INDEXES).items():
        assert both[name] == wanted | before[name]

    # The older one still works, so nothing is taken from it.
    await older.check()
    with pytest.raises(ReleaseStillThere, match="operator old"):
        await newer.contract(now())
    assert await indexes_of(left) == both

    later = now() + GONE_AFTER + timedelta(seconds=1)
    assert await newer.contract(later) == Form(DATABASE_VERSION, DATABASE_VERSION, DATABASE_VERSION)
    alone = await indexes_of(left)
    for name, replaced in names(REPLACED).items():
        assert not replaced & alone[name]
    with pytest.raises(ReleaseTooOld):
        await older.check()

    # And back, while the newer one goes on.
    assert await newer.back(1) == Form()
    again = await indexes_of(left)
    for name, replaced in names(REPLACED).items():
        assert replaced <= again[name]
        shown = await left.jobs.database[name].index_information()
        was = json_util.loads(LEFT.read_text())["collections"][name]["indexes"]
        for index in (one for one in was if one["name"] in replaced):
            assert shown[index["name"]].get("partialFilterExpression") == index.get(
                "partialFilterExpression"
            )
    await older.check()
    assert await newer.expand() == Form(DATABASE_VERSION, contracted=1, needed=1)


async def test_jobs_of_the_older_release_end_once_and_are_charged_once(left: Database) -> None:
    stores = Stores(left)
    rows = await left.jobs.find().to_list(None)
    by_status = {
        status: [row for row in rows if row["status"] == status.value] for status in Status
    }
    assert {status.value: len(found) for status, found in by_status.items() if found} == {
        "queued": 2,
        "processing": 1,
        "succeeded": 1,
        "failed": 1,
        "canceled": 1,
    }
    assert await stores.audit.differences() == []
    charged = await left.ledger.count_documents({})

    async def ended(row: dict[str, Any]) -> JobRecord:
        record = await stores.jobs.get(row["_id"])
        assert record is not None
        if record.status is Status.QUEUED:
            claimed = await job_states.claim(left, record)
            assert claimed is not None
            record = claimed
        await stores.settlements.settle([delivered(record)], at=now())
        return await job_states.current(left, record)

    # Under way while the database is brought forward.
    live = [*by_status[Status.QUEUED], *by_status[Status.PROCESSING]]
    *records, _ = await asyncio.gather(*map(ended, live), Migrations(left).expand())
    assert {record.status for record in records if isinstance(record, JobRecord)} == {
        Status.SUCCEEDED
    }
    units = sum(record.spec.variations for record in records if isinstance(record, JobRecord))
    assert await left.ledger.count_documents({}) == charged + units
    assert await stores.audit.differences() == []


async def test_a_database_that_nobody_has_used_has_nothing_to_be_taken_away(
    mongo_url: str,
) -> None:
    async with connect(mongo_url, f"test_{secrets.token_hex(6)}") as database:
        form = await Migrations(database).expand()
        assert form == Form(DATABASE_VERSION, contracted=DATABASE_VERSION, needed=1)
        assert await indexes_of(database) == names(INDEXES)
        await database.jobs.database.client.drop_database(database.jobs.database.name)
