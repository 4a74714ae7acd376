"""Every write is a majority write, every read a primary one, and a store that is away is said."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo import Database, StoreRefused, connect
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.settlement import Settlements
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.monitoring import CommandListener

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, delivered
from tests.support.server_processes import free_port, offered_compressors


class Commands(CommandListener):
    """Keeps every command as it is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: Any) -> None:
        self.sent.append((event.command_name, dict(event.command)))

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass

    def named(self, name: str) -> list[dict[str, Any]]:
        return [command for sent, command in self.sent if sent == name]


def compressed_ping() -> bytes:
    """A whole OP_COMPRESSED (2012) message by zlib around an OP_MSG (2013)."""
    body = struct.pack("<IB", 0, 0) + bson.encode({"ping": 1, "$db": "admin"})
    packed = struct.pack("<iiB", 2013, len(body), 2) + zlib.compress(body)
    return struct.pack("<iiii", 16 + len(packed), 1, 0, 2012) + packed


def test_the_server_decompresses_nothing(mongo_url: str) -> None:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        assert offered_compressors(client) == []
        address = client.address
    assert address is not None
    # Nor for a caller that did not ask: the connection is closed without an answer.
    with socket.create_connection(address, timeout=10) as caller:
        caller.sendall(compressed_ping())
        assert caller.recv(1) == b""


async def test_transactions_commit_by_majority_whatever_the_address_says(
    database: Database, mongo_url: str
) -> None:
    commands = Commands()
    client: Any = AsyncIOMotorClient(
        f"{mongo_url}&w=1&readPreference=secondaryPreferred",
        event_listeners=[commands],
        tz_aware=True,
    )
    careless = Database(client, database.jobs.database.name)
    record = await job_states.processing(careless)
    await Settlements(careless).settle([delivered(record)], at=ACCEPTED_AT)
    await job_states.current(careless, record)
    client.close()

    commits = commands.named("commitTransaction")
    assert len(commits) == 2
    for commit in commits:
        assert commit["writeConcern"]["w"] == "majority"
    starts = [command for _, command in commands.sent if command.get("startTransaction")]
    assert {start["readConcern"]["level"] for start in starts} == {"snapshot"}
    alone = [c for c in commands.named("findAndModify") if "startTransaction" not in c]
    claims = [command for command in alone if command["findAndModify"] == "jobs"]
    assert [claim["writeConcern"]["w"] for claim in claims] == ["majority"]
    preferences = {
        command.get("$readPreference", {"mode": "primary"})["mode"] for _, command in commands.sent
    }
    assert "secondaryPreferred" not in preferences


async def test_indexes_can_be_ensured_again(database: Database) -> None:
    await database.ensure_indexes()
    assert "workspace_1_created_at_-1__id_-1" in await database.jobs.index_information()


async def test_a_ping_answers(database: Database) -> None:
    await database.ping()


async def test_a_store_that_is_away_is_capacity_unavailable_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imagerift_core.mongo.transactions.RETRY_SECONDS", 1)

    url = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"
    async with connect(url, "nowhere") as away:
        start = time.monotonic()
        calls = (away.ping(), job_states.queued(away), QuotaAudit(away).differences())
        troubles = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - start < 28
    for trouble in troubles:
        assert isinstance(trouble, CapacityUnavailable)
        assert trouble.retryable
        assert "127.0.0.1" not in trouble.message


async def test_a_transaction_gives_a_busy_store_a_bounded_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerift_core.mongo.transactions.RETRY_SECONDS", 0.2)
    tries = 0

    async def conflict(session: Any) -> None:
        nonlocal tries
        tries += 1
        await database.counters.find_one({"_id": "x"}, session=session)
        raise OperationFailure(
            "conflict", 112, {"errorLabels": ["TransientTransactionError"], "code": 112}
        )

    with pytest.raises(OperationFailure, match="conflict"):
        await database.transaction(conflict)
    assert tries > 1


async def test_what_is_wrong_with_a_command_is_not_called_unavailable(
    database: Database,
) -> None:
    no_id: Any = {"$nonsense": 1}
    with pytest.raises(StoreRefused) as refused:
        await JobStore(database).get(no_id)
    assert isinstance(refused.value.__cause__, OperationFailure)


async def test_a_canceled_transaction_is_undone_at_once(database: Database) -> None:
    record = await job_states.queued(database)
    written = asyncio.Event()

    async def stuck(session: Any) -> None:
        await database.counters.update_one(
            {"_id": record.quota.counter}, {"$inc": {"reserved": 5}}, session=session
        )
        written.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(database.transaction(stuck))
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(50):
        await job_states.queued(database)
    assert await job_states.reserved_and_charged(database, record) == (2, 0)


async def test_the_primary_tells_the_time(database: Database) -> None:
    assert abs(await database.time() - datetime.now(UTC)) < timedelta(seconds=30)
