"""The database as a file of one moment, put back and rehearsed."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from imagerift_core.mongo import Database
from imagerift_core.mongo.archive import Archive, ArchiveRefused
from imagerift_core.mongo.jobs import JobStore

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT


async def documents_of(database: Database) -> dict[str, list[Any]]:
    collections = database.jobs.database
    listed = await collections.list_collection_names()
    return {
        name: found
        for name in listed
        if (found := await collections[name].find().sort("_id", 1).to_list(None))
    }


async def archived(database: Database) -> io.BytesIO:
    file = io.BytesIO()
    await Archive(database).back_up(file)
    return io.BytesIO(file.getvalue())


async def test_what_is_put_back_is_what_was_there(database: Database) -> None:
    await job_states.processing(database, units=2)
    await job_states.queued(database)
    before, file = await documents_of(database), await archived(database)
    with pytest.raises(ArchiveRefused, match="has documents already"):
        await Archive(database).put_back(file)
    for name in before:
        await database.jobs.database[name].delete_many({})
    kept = await Archive(database).put_back(file)
    assert await documents_of(database) == before
    assert kept.documents == {name: len(rows) for name, rows in before.items()}


async def test_a_backup_is_of_one_moment_though_jobs_come_and_end_meanwhile(
    database: Database,
) -> None:
    jobs = [await job_states.queued(database) for _ in range(20)]

    async def change() -> None:
        for record in jobs:
            await job_states.queued(database)
            await JobStore(database).cancel(
                record.id, workspace=record.workspace, reason="by user", at=ACCEPTED_AT
            )

    changing = asyncio.create_task(change())
    files = []
    while not changing.done():
        files.append(await archived(database))
    await changing
    for file in files:
        told = await Archive(database).rehearse(file)
        assert told["differences"] == []
        assert told["documents"]["jobs"] >= 20
    assert await drills(database) == []


async def drills(database: Database) -> list[str]:
    names = await database.jobs.database.client.list_database_names()
    return [name for name in names if name.endswith("-drill")]


async def test_a_rehearsal_finds_a_counter_that_is_wrong_and_a_file_that_is_cut_off(
    database: Database,
) -> None:
    await job_states.queued(database)
    await database.counters.update_one({}, {"$inc": {"charged": 1}})
    file = await archived(database)
    told = await Archive(database).rehearse(file)
    assert [each["field"] for each in told["differences"]] == ["charged"]
    for cut in (file.getvalue()[:-20], b"", b"no archive"):
        with pytest.raises(ArchiveRefused):
            await Archive(database).rehearse(io.BytesIO(cut))
        assert await drills(database) == []
