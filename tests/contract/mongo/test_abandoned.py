"""What a process that died or stands still had begun does not hold up the others."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from imagerift_core.mongo import Database
from imagerift_core.mongo.abandoned import AbandonedTransactions
from imagerift_core.mongo.database import APP_NAME

IDLE_SECONDS = 0.3
# Begins a transaction that writes, says so, and never goes on.
BEGINNER = """
import sys, time
from pymongo import MongoClient
url, name, application = sys.argv[1:]
with MongoClient(url, appname=application) as client, client.start_session() as session:
    session.start_transaction()
    jobs = client[name].jobs
    jobs.update_one({"_id": "held"}, {"$inc": {"writes": 100}}, session=session)
    print("begun", flush=True)
    time.sleep(3600)
"""


@pytest.fixture
async def held(database: Database) -> Database:
    await database.jobs.insert_one({"_id": "held", "writes": 0})
    return database


@pytest.fixture
def killed_in_a_transaction(held: Database, mongo_url: str) -> Iterator[None]:
    process = begin(mongo_url, held, APP_NAME)
    process.kill()
    process.wait()
    yield
    assert process.stdout is not None
    process.stdout.close()


def begin(url: str, database: Database, application: str) -> subprocess.Popen[bytes]:
    name = database.jobs.database.name
    command = [sys.executable, "-c", BEGINNER, url, name, application]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


async def ended(database: Database) -> None:
    """Returns once a transaction was ended."""
    async with asyncio.timeout(55):
        while True:
            if await AbandonedTransactions(database).end(idle_seconds=IDLE_SECONDS):
                return
            await asyncio.sleep(0.05)


async def write(database: Database, session: Any = None) -> None:
    await database.jobs.update_one({"_id": "held"}, {"$inc": {"writes": 1}}, session=session)


@pytest.mark.usefixtures("killed_in_a_transaction")
async def test_the_locks_of_a_process_that_was_killed_are_let_go(held: Database) -> None:
    waiting = asyncio.create_task(write(held))
    done, _ = await asyncio.wait([waiting], timeout=IDLE_SECONDS / 2)
    # Else the server has let go by itself, and this test shows nothing.
    assert not done
    began = time.monotonic()
    await ended(held)
    await waiting
    # The server itself would let go after a minute.
    assert time.monotonic() - began < 55
    assert await held.jobs.find_one({"_id": "held"}) == {"_id": "held", "writes": 1}


@pytest.mark.parametrize("writes_after", [0, 1])
async def test_a_transaction_that_goes_on_after_all_is_run_again_and_counts_once(
    held: Database, writes_after: int
) -> None:
    """It finds out when it writes again, or when it commits."""
    runs = 0

    async def body(session: Any) -> None:
        nonlocal runs
        runs += 1
        await write(held, session)
        if runs == 1:
            await ended(held)
        for _ in range(writes_after):
            await write(held, session)

    await held.transaction(body)
    assert runs == 2
    assert await held.jobs.find_one({"_id": "held"}) == {"_id": "held", "writes": 1 + writes_after}


async def test_transactions_of_other_applications_and_busy_ones_are_left_alone(
    held: Database, mongo_url: str
) -> None:
    other = begin(mongo_url, held, "somebody else")
    try:
        await asyncio.sleep(2 * IDLE_SECONDS)
        await AbandonedTransactions(held).end(idle_seconds=IDLE_SECONDS)
        (session,) = await sessions_in_a_transaction(held, "somebody else")
        assert await AbandonedTransactions(held).end(idle_seconds=3600) == 0
    finally:
        other.kill()
        other.communicate()
    # Nothing of it is to hold up the tests that follow.
    await held.admin.command("killSessions", [{"id": session}])


async def sessions_in_a_transaction(database: Database, application: str) -> list[Any]:
    idle = {"$currentOp": {"idleSessions": True}}
    of_it = {"$match": {"appName": application, "transaction": {"$exists": True}}}
    return [row["lsid"]["id"] async for row in database.admin.aggregate([idle, of_it])]
