"""mongod is killed in the middle of transactions; nothing is half done, nothing is done twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from imagerift_core.errors import CapacityUnavailable, QuotaExhausted
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database, connect
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.settlement import Settlements

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, broken, delivered, make_record
from tests.support.server_processes import Mongod

LIMIT = 150


Answer = TypeVar("Answer")


async def until_it_answers(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of `call()`, made again for as long as the store is away."""
    while True:
        with contextlib.suppress(CapacityUnavailable):
            return await call()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Mongod]:
    mongod = Mongod(tmp_path)
    try:
        await asyncio.to_thread(mongod.start)
        yield mongod
    finally:
        await asyncio.to_thread(mongod.kill)


@pytest.fixture
async def database(server: Mongod) -> AsyncIterator[Database]:
    async with connect(server.url, "power_cut") as opened:
        await opened.ensure_indexes()
        yield opened


async def test_every_job_accepted_across_power_cuts_ends_once(
    server: Mongod, database: Database
) -> None:
    admissions = Admissions(database)
    accepted: dict[str, JobRecord] = {}
    delivered_units = 0
    moments = {enough: asyncio.Future[None]() for enough in (3, 25, 45)}

    async def live_through(record: JobRecord, fails: bool) -> None:
        nonlocal delivered_units
        await until_it_answers(lambda: admissions.admit(record, resets_at=ACCEPTED_AT))
        # Also where the first answer was lost: then the second call finds the record.
        admitted = await until_it_answers(lambda: JobStore(database).get(record.id))
        assert admitted is not None
        accepted[record.id] = admitted
        if len(accepted) in moments:
            moments[len(accepted)].set_result(None)
        await until_it_answers(lambda: job_states.claim(database, admitted))
        claimed = await until_it_answers(lambda: JobStore(database).get(record.id))
        assert claimed is not None
        assert (claimed.status, claimed.attempt) == (Status.PROCESSING, 1)
        end = broken(claimed) if fails else delivered(claimed)
        await until_it_answers(
            lambda: Settlements(database).settle([end], at=ACCEPTED_AT + timedelta(minutes=1))
        )
        delivered_units += 0 if fails else record.quota.units

    async def worker(number: int) -> None:
        for turn in range(8):
            record = make_record(units=2, limit=LIMIT)
            with contextlib.suppress(QuotaExhausted):
                await live_through(record, fails=(number + turn) % 4 == 0)

    async def cut_power() -> None:
        for moment in moments.values():
            parties: list[asyncio.Future[Any]] = [work, moment]
            await asyncio.wait(parties, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

    work = asyncio.gather(*(worker(number) for number in range(10)))
    await asyncio.gather(work, cut_power())

    assert await QuotaAudit(database).differences() == []
    found = await JobStore(database).get_many(list(accepted))
    stored = {id: record for id, record in found.items() if isinstance(record, JobRecord)}
    assert set(stored) == set(accepted)
    assert await database.jobs.count_documents({}) == len(stored)
    assert all(record.status.terminal for record in stored.values())
    assert await database.ledger.count_documents({}) == delivered_units
    assert await job_states.reserved_and_charged(database, next(iter(stored.values()))) == (
        0,
        delivered_units,
    )
    assert delivered_units <= LIMIT


async def test_a_transaction_cut_before_its_commit_leaves_nothing(
    server: Mongod, database: Database
) -> None:
    record = await job_states.processing(database, units=3)
    cut = False

    async def half_done(session: Any) -> str:
        nonlocal cut
        await database.counters.update_one(
            {"_id": record.quota.counter}, {"$inc": {"reserved": -3}}, session=session
        )
        await database.ledger.insert_one({"_id": "half"}, session=session)
        if not cut:
            cut = True
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            return "the cut one"
        raise LookupError

    with pytest.raises(LookupError):
        await database.transaction(half_done)
    assert cut
    assert await database.ledger.count_documents({}) == 0
    assert await job_states.reserved_and_charged(database, record) == (3, 0)
    assert await job_states.current(database, record) == record
