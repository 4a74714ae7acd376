"""processing → terminal: each delivered output is charged once, whatever shares the group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import Analysis, JobRecord, People, Status
from imagerift_core.mongo import Database, settlement
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.settlement import GroupResult, Settlements
from imagerift_core.settlement_rules import Settlement
from pymongo.errors import AutoReconnect, OperationFailure

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, broken, delivered

AT = ACCEPTED_AT + timedelta(minutes=1)
NOT_PROCESSING = [status for status in Status if status is not Status.PROCESSING]


async def ledger(database: Database, record: JobRecord) -> list[dict[str, Any]]:
    rows = await database.ledger.find({"job": record.id}).sort("_id", 1).to_list(None)
    assert all(row["units"] == 1 for row in rows)
    return rows


async def many(database: Database, count: int, **fields: Any) -> list[JobRecord]:
    return [await job_states.processing(database, **fields) for _ in range(count)]


async def test_every_kind_of_end_in_one_group(database: Database) -> None:
    whole, part, failing, canceled, superseded = await many(
        database, 5, units=4, retention_days=90, key_id="key_x"
    )
    queued = await job_states.queued(database)
    await JobStore(database).ask_cancel(canceled.id, workspace="ws_test", reason="by user")
    await JobStore(database).requeue(superseded.id, attempt=1, owner=job_states.OWNER, failed=False)
    gone = replace(delivered(whole), job_id="gone")
    told = Analysis(preset_reason="look", people=People(found=2, shown=1, box=(0, 0, 0.5, 1)))
    group = [
        replace(delivered(whole), analysis=told),
        replace(delivered(part), outputs=delivered(part).outputs[1:3]),
        broken(failing),
        delivered(canceled),
        delivered(superseded),
        gone,
    ]
    result = await Settlements(database).settle(group, at=AT)

    assert set(result.settled) == {whole.id, part.id, failing.id, canceled.id}
    assert sorted(result.superseded) == sorted([superseded.id, "gone"])
    assert result.set_aside == {}
    ends = {
        record.id: await job_states.current(database, record)
        for record in (whole, part, failing, canceled)
    }
    assert ends == result.settled
    assert [ends[r.id].status for r in (whole, part, failing, canceled)] == [
        Status.SUCCEEDED,
        Status.SUCCEEDED,
        Status.FAILED,
        Status.CANCELED,
    ]
    assert [ends[r.id].quota.charged_units for r in (whole, part, failing, canceled)] == [
        4,
        2,
        0,
        0,
    ]
    assert [row["_id"] for row in await ledger(database, part)] == [f"{part.id}:1", f"{part.id}:2"]
    assert len(await ledger(database, whole)) == 4
    assert await ledger(database, failing) == await ledger(database, canceled) == []
    assert [ends[r.id].analysis for r in (whole, part, failing, canceled)] == [told, *[None] * 3]
    assert ends[failing.id].error is not None
    assert ends[canceled.id].outputs == []
    for end in ends.values():
        assert end.owner is None
        assert end.completed_at == AT
        assert end.expires_at == AT + timedelta(days=90)
        assert end.quota.state != "reserved"
    reserved = superseded.quota.units + queued.quota.units
    assert await job_states.reserved_and_charged(database, whole) == (reserved, 6)
    assert ends[whole.id].quota.remaining == 1000 - 6
    assert await QuotaAudit(database).differences() == []


@pytest.mark.parametrize("make_end", [delivered, broken])
async def test_a_settlement_written_twice_counts_once(database: Database, make_end: Any) -> None:
    record = await job_states.processing(database, units=3)
    end = make_end(record)
    first = await Settlements(database).settle([end], at=AT)
    again = await Settlements(database).settle([end], at=AT + timedelta(minutes=5))
    assert list(first.settled) == again.superseded == [record.id]
    assert await job_states.current(database, record) == first.settled[record.id]
    assert await QuotaAudit(database).differences() == []


@pytest.mark.parametrize("make_end", [delivered, broken])
async def test_a_job_named_twice_in_one_group_counts_once(
    database: Database, make_end: Any
) -> None:
    record = await job_states.processing(database, units=3)
    other = await job_states.processing(database, units=2)
    end = make_end(record)
    result = await Settlements(database).settle([end, broken(other), end], at=AT)
    assert set(result.settled) == {record.id, other.id}
    assert result.superseded == [record.id]
    assert await QuotaAudit(database).differences() == []


async def test_many_writers_of_the_same_ends_charge_once(database: Database) -> None:
    records = await many(database, 12, units=2)
    group = [delivered(record) for record in records]
    results = await asyncio.gather(
        *(Settlements(database).settle(group[n:] + group[:n], at=AT) for n in range(6))
    )
    settled = [job_id for result in results for job_id in result.settled]
    assert sorted(settled) == sorted(record.id for record in records)
    assert await job_states.reserved_and_charged(database, records[0]) == (0, 24)
    assert await QuotaAudit(database).differences() == []


async def test_of_two_owners_only_the_present_one_settles(database: Database) -> None:
    for _ in range(8):
        old = await job_states.processing(database, owner="old", units=2)
        again = await JobStore(database).requeue(old.id, attempt=1, owner="old", failed=False)
        assert again is not None
        new = await job_states.claim(database, again, owner="new")
        assert new is not None
        stale, fresh = await asyncio.gather(
            Settlements(database).settle([delivered(old)], at=AT),
            Settlements(database).settle([delivered(new)], at=AT),
        )
        assert stale.superseded == [old.id]
        end = fresh.settled[old.id]
        assert {output.key.split("/")[4] for output in end.outputs} == {"2"}
    assert await job_states.reserved_and_charged(database, old) == (0, 16)


@pytest.mark.parametrize("wrong", [{"owner": "other"}, {"attempt": 2}, {"attempt": 0}])
async def test_only_the_attempt_that_holds_the_job_settles(
    database: Database, wrong: dict[str, Any]
) -> None:
    record = await job_states.processing(database)
    result = await Settlements(database).settle([replace(delivered(record), **wrong)], at=AT)
    assert result.superseded == [record.id]
    assert await job_states.current(database, record) == record


@pytest.mark.parametrize("status", NOT_PROCESSING)
async def test_only_a_processing_job_is_settled(database: Database, status: Status) -> None:
    record = await job_states.in_status(database, status)
    # Even where something left the owner behind.
    await database.jobs.update_one({"_id": record.id}, {"$set": {"owner": job_states.OWNER}})
    record = await job_states.current(database, record)
    before = await job_states.reserved_and_charged(database, record)
    assert (await Settlements(database).settle([delivered(record)], at=AT)).superseded == [
        record.id
    ]
    assert await job_states.current(database, record) == record
    assert await job_states.reserved_and_charged(database, record) == before


async def test_an_empty_group_is_settled(database: Database) -> None:
    assert await Settlements(database).settle([], at=AT) == GroupResult()


async def poison_by_ledger(database: Database, record: JobRecord) -> Settlement:
    row = {"_id": f"{record.id}:0", "counter": "elsewhere", "units": 0}
    await database.ledger.insert_one(row)
    return delivered(record)


async def poison_by_record(database: Database, record: JobRecord) -> Settlement:
    await database.jobs.update_one({"_id": record.id}, {"$set": {"quota.units": "many"}})
    return delivered(record)


async def poison_by_number(database: Database, record: JobRecord) -> Settlement:
    end = delivered(record)
    huge = end.outputs[0].model_copy(update={"size_bytes": 2**64})
    return replace(end, outputs=[huge])


async def poison_by_text(database: Database, record: JobRecord) -> Settlement:
    return replace(delivered(record), preset_used="\ud800")


async def poison_by_counter(database: Database, record: JobRecord) -> Settlement:
    await database.jobs.update_one({"_id": record.id}, {"$set": {"quota.counter": "nowhere"}})
    return delivered(record)


async def poison_by_surplus(database: Database, record: JobRecord) -> Settlement:
    """More pictures than were asked for, thus more units than are held."""
    return delivered(record, outputs=record.quota.units + 1)


@pytest.mark.parametrize(
    "poison",
    [
        poison_by_ledger,
        poison_by_record,
        poison_by_number,
        poison_by_text,
        poison_by_counter,
        poison_by_surplus,
    ],
)
@pytest.mark.parametrize("place", [0, 4, 8])
async def test_a_member_that_cannot_be_written_is_set_aside_alone(
    database: Database, poison: Any, place: int
) -> None:
    records = await many(database, 9, units=2)
    group = [delivered(record) for record in records]
    bad = records[place]
    group[place] = await poison(database, bad)
    result = await Settlements(database).settle(group, at=AT)
    assert list(result.set_aside) == [bad.id]
    assert set(result.settled) == {record.id for record in records} - {bad.id}
    assert result.superseded == []
    document = await database.jobs.find_one({"_id": bad.id})
    assert document is not None
    assert document["status"] == Status.PROCESSING.value
    assert await database.ledger.count_documents({"units": 1}) == 16
    row = await database.counters.find_one({"_id": records[place - 1].quota.counter})
    assert row is not None
    assert (row["reserved"], row["charged"]) == (2, 16)


async def test_while_the_store_refuses_everybody_no_job_is_blamed(database: Database) -> None:
    """Nothing can be written to a view, as to a full disk: no fault of what is settled."""
    record = await job_states.processing(database)
    counter = await database.counters.find_one({"_id": record.quota.counter})
    assert counter is not None
    await database.counters.drop()
    await database.counters.database.create_collection(database.counters.name, viewOn="jobs")
    with pytest.raises(CapacityUnavailable):
        await Settlements(database).settle([delivered(record)], at=AT)
    assert (await job_states.current(database, record)).status is Status.PROCESSING
    await database.counters.drop()
    await database.counters.insert_one(counter)
    result = await Settlements(database).settle([delivered(record)], at=AT)
    assert list(result.settled) == [record.id]


async def test_several_bad_members_are_each_set_aside(database: Database) -> None:
    records = await many(database, 16)
    group = [delivered(record) for record in records]
    for place in (3, 4, 15):
        group[place] = await poison_by_ledger(database, records[place])
    result = await Settlements(database).settle(group, at=AT)
    assert set(result.set_aside) == {records[place].id for place in (3, 4, 15)}
    assert len(result.settled) == 13


async def test_one_bad_member_costs_few_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await many(database, 32)
    group = [delivered(record) for record in records]
    group[17] = await poison_by_ledger(database, records[17])
    sizes = []
    inner = settlement._settle_in

    async def counted(db: Database, session: Any, part: Sequence[Settlement], at: Any) -> Any:
        sizes.append(len(part))
        return await inner(db, session, part, at)

    monkeypatch.setattr(settlement, "_settle_in", counted)
    await Settlements(database).settle(group, at=AT)
    assert sorted(sizes) == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32]


@pytest.mark.parametrize(
    "trouble",
    [
        AutoReconnect("away"),
        OperationFailure(
            "conflict", 112, {"errorLabels": ["TransientTransactionError"], "code": 112}
        ),
        OperationFailure("too slow", 50, {"code": 50}),
    ],
)
async def test_passing_trouble_sets_no_job_aside(
    database: Database, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    record = await job_states.processing(database)

    async def fail(_: Any) -> None:
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(database, "transaction", fail)
        with pytest.raises(CapacityUnavailable):
            await Settlements(database).settle([delivered(record)], at=AT)
    result = await Settlements(database).settle([delivered(record)], at=AT)
    assert list(result.settled) == [record.id]


async def test_groups_that_share_a_counter_settle_side_by_side(database: Database) -> None:
    records = await many(database, 40)
    groups = [records[n : n + 5] for n in range(0, 40, 5)]
    results = await asyncio.gather(
        *(
            Settlements(database).settle([delivered(record) for record in group], at=AT)
            for group in groups
        )
    )
    assert sum(len(result.settled) for result in results) == 40
    assert await job_states.reserved_and_charged(database, records[0]) == (0, 40)
    assert await QuotaAudit(database).differences() == []


async def test_a_charge_goes_to_the_period_of_acceptance(database: Database) -> None:
    record = await job_states.processing(database)
    await Settlements(database).settle([delivered(record)], at=ACCEPTED_AT.replace(month=12))
    assert [row["counter"] for row in await ledger(database, record)] == [record.quota.counter]
    assert await job_states.reserved_and_charged(database, record) == (0, 1)
    assert await database.counters.count_documents({}) == 1
