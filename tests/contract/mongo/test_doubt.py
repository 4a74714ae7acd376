"""A write that nobody answered is told as in doubt, and what decides is asked of a majority."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core.errors import CapacityUnavailable, OutcomeUnknown
from imagerift_core.mongo import Database, connect
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.idempotency import AcceptedKey, IdempotencyKeyStore, KeyClaim, KeyTaken
from imagerift_core.mongo.jobs import JobStore
from motor.motor_asyncio import AsyncIOMotorClient

from tests.contract.mongo.test_database import Commands
from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, make_record
from tests.support.server_processes import Mongod

# A majority that does not come in time, as a server says it of a write that it has made.
NOT_REPLICATED = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
# Not the primary any more; interrupted; no rights; no disk left; a replica set in the making.
PASSING = [10107, 11600, 11602, 13435, 189, 91, 13, 14031, 134]


@pytest.fixture
async def failing(failing_mongod: Mongod) -> AsyncIterator[Database]:
    # The driver forgets a server that says it is shutting down, until the next heartbeat.
    url = f"{failing_mongod.url}&heartbeatFrequencyMS=500"
    async with connect(url, f"doubt_{secrets.token_hex(4)}") as database:
        await database.ensure_indexes()
        yield database


async def test_an_admission_that_was_not_answered_is_in_doubt_and_may_be_there(
    failing: Database, failing_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerift_core.mongo.transactions.COMMIT_SECONDS", 0.2)
    record = make_record(units=2)

    with (
        failing_mongod.failing("commitTransaction", **NOT_REPLICATED),
        pytest.raises(OutcomeUnknown) as doubt,
    ):
        await Admissions(failing).admit(record, resets_at=ACCEPTED_AT)

    assert not doubt.value.retryable
    found = await JobStore(failing).get_certain(record.id, workspace=record.workspace)
    assert found is not None
    assert await job_states.reserved_and_charged(failing, record) == (2, 0)


async def test_a_write_that_was_not_answered_is_in_doubt_and_a_read_is_not(
    failing: Database, failing_mongod: Mongod
) -> None:
    jobs = JobStore(failing)
    record = await job_states.processing(failing)
    with (
        failing_mongod.failing("findAndModify", closeConnection=True),
        pytest.raises(OutcomeUnknown),
    ):
        await jobs.ask_cancel(record.id, workspace=record.workspace, reason="by user")
    with (
        failing_mongod.failing("find", closeConnection=True),
        pytest.raises(CapacityUnavailable) as away,
    ):
        await jobs.get(record.id)
    assert not isinstance(away.value, OutcomeUnknown)


@pytest.mark.parametrize("code", PASSING)
async def test_what_a_store_in_trouble_says_is_passing(
    failing: Database, failing_mongod: Mongod, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("imagerift_core.mongo.transactions.RETRY_SECONDS", 0.2)
    jobs = JobStore(failing)
    record = await job_states.processing(failing)

    with failing_mongod.failing("find", "findAndModify", "update", errorCode=code):
        for call in (
            jobs.get(record.id),
            jobs.ask_cancel(record.id, workspace=record.workspace, reason="by user"),
            jobs.set_resource_uids({record.id: "uid"}),
            Admissions(failing).admit(make_record(), resets_at=ACCEPTED_AT),
        ):
            with pytest.raises(CapacityUnavailable):
                await call


@pytest.mark.parametrize("code", [64, 91, 189, 11602])
async def test_a_bulk_write_that_no_majority_has_is_passing_trouble(
    failing: Database, failing_mongod: Mongod, code: int
) -> None:
    record = await job_states.queued(failing)
    error = {"code": code, "errmsg": "a step-down", "errorLabels": ["RetryableWriteError"]}

    with failing_mongod.failing("update", writeConcernError=error), pytest.raises(OutcomeUnknown):
        await JobStore(failing).set_resource_uids({record.id: "uid"})


async def test_nothing_is_admitted_after_its_time(failing: Database) -> None:
    late, timely = make_record(), make_record()
    admissions = Admissions(failing)
    with pytest.raises(CapacityUnavailable) as refusal:
        await admissions.admit_all([late], resets_at=ACCEPTED_AT, begin_by=time.monotonic() - 1)
    assert not isinstance(refusal.value, OutcomeUnknown)
    await admissions.admit_all([timely], resets_at=ACCEPTED_AT, begin_by=time.monotonic() + 60)
    jobs = JobStore(failing)
    assert await jobs.get(late.id) is None
    assert await jobs.get(timely.id) is not None


async def test_a_key_that_is_taken_is_known_to_a_majority(
    database: Database, mongo_url: str
) -> None:
    """A snapshot may hold what a failover takes back: the commit of a transaction that has only
    read waits for the majority."""
    commands = Commands()
    client: Any = AsyncIOMotorClient(mongo_url, event_listeners=[commands], tz_aware=True)
    watched = Database(client, database.jobs.database.name)
    keys = IdempotencyKeyStore(watched)

    def claim(result: str) -> KeyClaim:
        until = ACCEPTED_AT + timedelta(hours=1)
        accepted = AcceptedKey(_id="k", fingerprint="f", result=result, expires_at=until)
        return KeyClaim(accepted, at=ACCEPTED_AT)

    first, second = make_record(), make_record()
    admissions = Admissions(watched)
    await admissions.admit_all([first], resets_at=ACCEPTED_AT, claim=claim(first.id))
    commits = len(commands.named("commitTransaction"))

    with pytest.raises(KeyTaken) as taken:
        await admissions.admit_all([second], resets_at=ACCEPTED_AT, claim=claim(second.id))

    assert taken.value.accepted.result == first.id
    sent = commands.named("commitTransaction")
    assert len(sent) == commits + 1
    assert sent[-1]["writeConcern"]["w"] == "majority"
    assert commands.named("abortTransaction") == []
    assert await keys.find("k", at=ACCEPTED_AT) is not None
    client.close()


async def test_that_there_is_no_job_is_asked_of_a_majority(
    database: Database, mongo_url: str
) -> None:
    commands = Commands()
    client: Any = AsyncIOMotorClient(mongo_url, event_listeners=[commands], tz_aware=True)
    jobs = JobStore(Database(client, database.jobs.database.name))

    assert await jobs.get_certain("none", workspace="ws") is None
    await jobs.settle_doubt()

    levels = [find["readConcern"]["level"] for find in commands.named("find")]
    assert levels == ["linearizable", "linearizable"]
    client.close()
