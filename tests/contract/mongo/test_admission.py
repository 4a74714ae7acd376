"""nothing → queued: units are held within the limit and the record is inserted, or nothing is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from imagerift_core import quota
from imagerift_core.errors import QueueFull, QuotaExhausted
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore

from tests.support.job_records import make_record

RESETS_AT = datetime(2026, 12, 1, tzinfo=UTC)


async def admit(database: Database, record: JobRecord) -> JobRecord | None:
    return await Admissions(database).admit(record, resets_at=RESETS_AT)


async def counter(database: Database, record: JobRecord) -> dict[str, Any] | None:
    return await database.counters.find_one({"_id": record.quota.counter})


async def test_an_admitted_job_is_stored_queued_with_its_units_reserved(database: Database) -> None:
    record = make_record(units=3, limit=10)
    admitted = await admit(database, record)
    assert admitted is not None
    assert admitted.quota.remaining == 10
    assert admitted.quota.remaining_after_queue == 10
    stored = await JobStore(database).get(record.id)
    assert stored == admitted
    assert stored is not None
    assert stored.status is Status.QUEUED
    row = await counter(database, record)
    assert row is not None
    assert (row["reserved"], row["charged"]) == (3, 0)


@pytest.mark.parametrize("one_process", [True, False])
async def test_concurrent_submits_are_admitted_exactly_up_to_the_limit(
    database: Database, monkeypatch: pytest.MonkeyPatch, one_process: bool
) -> None:
    # On a busy machine a hundred processes conflict for longer than a caller would be kept waiting.
    monkeypatch.setattr("imagerift_core.mongo.transactions.RETRY_SECONDS", 120)
    shared = Admissions(database)
    records = [make_record(limit=30) for _ in range(100)]

    async def submit(record: JobRecord) -> bool:
        admissions = shared if one_process else Admissions(database)
        try:
            return await admissions.admit(record, resets_at=RESETS_AT) is not None
        except QuotaExhausted as refusal:
            assert refusal.limit == 30
            assert refusal.charged + refusal.reserved == 30
            assert refusal.resets_at == RESETS_AT
            return False

    accepted = await asyncio.gather(*(submit(record) for record in records))
    assert sum(accepted) == 30
    row = await counter(database, records[0])
    assert row is not None
    assert (row["reserved"], row["charged"]) == (30, 0)
    stored = await JobStore(database).get_many([record.id for record in records])
    assert set(stored) == {r.id for r, ok in zip(records, accepted, strict=True) if ok}
    assert await QuotaAudit(database).differences() == []


async def test_a_job_that_does_not_fit_whole_is_refused_whole(database: Database) -> None:
    assert await admit(database, make_record(units=7, limit=10)) is not None
    with pytest.raises(QuotaExhausted) as refusal:
        await admit(database, make_record(units=4, limit=10))
    assert (refusal.value.units, refusal.value.reserved, refusal.value.charged) == (4, 7, 0)
    assert await admit(database, make_record(units=3, limit=10)) is not None
    assert await QuotaAudit(database).differences() == []


async def test_the_limit_in_force_is_the_records_own(database: Database) -> None:
    """After a downgrade nothing more is granted, after an upgrade more is."""
    assert await admit(database, make_record(units=8, limit=10)) is not None
    with pytest.raises(QuotaExhausted):
        await admit(database, make_record(units=1, limit=5))
    assert await admit(database, make_record(units=8, limit=100)) is not None


async def test_the_same_id_is_admitted_once(database: Database) -> None:
    record = make_record(units=2)
    outcomes = await asyncio.gather(*(admit(database, record) for _ in range(20)))
    assert sum(outcome is not None for outcome in outcomes) == 1
    row = await counter(database, record)
    assert row is not None
    assert row["reserved"] == 2
    assert await admit(database, record) is None
    assert await QuotaAudit(database).differences() == []


async def test_an_id_that_was_deleted_is_not_admitted_again(database: Database) -> None:
    record = make_record()
    await admit(database, record)
    await JobStore(database).cancel_queued(
        record.id, workspace=record.workspace, reason="test", at=record.created_at
    )
    assert await JobStore(database).forget(record.id, at=record.created_at)
    assert await admit(database, record) is None
    assert await JobStore(database).get(record.id) is None
    assert await QuotaAudit(database).differences() == []


async def test_workspaces_and_periods_have_counters_of_their_own(database: Database) -> None:
    for workspace in ("ws_a", "ws_b"):
        for month in (11, 12):
            moment = datetime(2026, month, 1, tzinfo=UTC)
            record = make_record(workspace=workspace, units=5, limit=5, at=moment)
            assert await admit(database, record) is not None
    assert await database.counters.count_documents({}) == 4


async def test_an_admission_that_breaks_off_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_record()

    class Broken(Exception):
        pass

    def refuse(_: JobRecord) -> dict[str, object]:
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(JobRecord, "document", refuse)
        with pytest.raises(Broken):
            await admit(database, record)
    assert await JobStore(database).get(record.id) is None
    row = await counter(database, record)
    assert row is not None
    assert row["reserved"] == 0
    assert await admit(database, record) is not None


async def test_jobs_admitted_together_are_granted_and_refused_one_by_one(
    database: Database,
) -> None:
    admissions = Admissions(database)
    # The first one is alone; what comes while it is admitted makes one group.
    await admissions.admit(make_record(workspace="ws_a", limit=4), resets_at=RESETS_AT)
    known = make_record(workspace="ws_b")
    await admissions.admit(known, resets_at=RESETS_AT)
    fits = [make_record(workspace="ws_a", units=units, limit=4) for units in (2, 1)]
    large = make_record(workspace="ws_a", units=3, limit=4)
    other = [make_record(workspace="ws_b") for _ in range(3)]
    twice = make_record(workspace="ws_c")
    group = [fits[0], large, known, *other, fits[1], twice, twice]
    outcomes = await asyncio.gather(
        *(admissions.admit(record, resets_at=RESETS_AT) for record in [make_record(), *group]),
        return_exceptions=True,
    )
    refusal = outcomes[2]
    assert isinstance(refusal, QuotaExhausted)
    assert (refusal.units, refusal.reserved, refusal.charged) == (3, 3, 0)
    ids = [outcome.id if isinstance(outcome, JobRecord) else None for outcome in outcomes[1:]]
    assert ids[:-2] == [fits[0].id, None, None, *[r.id for r in other], fits[1].id]
    assert set(ids[-2:]) == {twice.id, None}
    assert await QuotaAudit(database).differences() == []


async def test_one_job_that_cannot_be_stored_does_not_keep_others_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    admissions = Admissions(database)
    records = [make_record() for _ in range(5)]
    whole = JobRecord.document

    def document(record: JobRecord) -> dict[str, object]:
        if record.id == records[3].id:
            raise ValueError("no such document")
        return whole(record)

    monkeypatch.setattr(JobRecord, "document", document)
    outcomes = await asyncio.gather(
        *(admissions.admit(record, resets_at=RESETS_AT) for record in records),
        return_exceptions=True,
    )
    assert [isinstance(outcome, JobRecord) for outcome in outcomes] == [True] * 3 + [False, True]
    assert isinstance(outcomes[3], ValueError)
    assert await QuotaAudit(database).differences() == []


async def test_a_counter_that_went_with_a_restored_backup_is_made_again(
    database: Database,
) -> None:
    admissions = Admissions(database)
    await admissions.admit(make_record(), resets_at=RESETS_AT)
    await database.counters.delete_many({})
    await database.jobs.delete_many({})
    assert await admissions.admit(make_record(), resets_at=RESETS_AT) is not None
    assert await QuotaAudit(database).differences() == []


async def test_room_seen_a_moment_ago_does_not_admit_beyond_the_limit(database: Database) -> None:
    admissions = Admissions(database)
    first, second, late = [make_record(units=2, limit=4) for _ in range(3)]
    await admissions.admit(first, resets_at=RESETS_AT)
    # What another process holds meanwhile is not known here.
    await admit(database, second)
    await admissions.check_limits(late.quota, resets_at=RESETS_AT)
    with pytest.raises(QuotaExhausted):
        await admissions.admit(late, resets_at=RESETS_AT)
    with pytest.raises(QuotaExhausted):
        await Admissions(database).check_limits(late.quota, resets_at=RESETS_AT)


@pytest.mark.parametrize("one_process", [True, False])
async def test_concurrent_submits_fill_the_queue_exactly_and_an_end_makes_room(
    database: Database, monkeypatch: pytest.MonkeyPatch, one_process: bool
) -> None:
    # On a busy machine a hundred processes conflict for longer than a caller would be kept waiting.
    monkeypatch.setattr("imagerift_core.mongo.transactions.RETRY_SECONDS", 120)
    shared = Admissions(database)
    records = [make_record(units=2) for _ in range(30)]

    async def submit(record: JobRecord) -> JobRecord | None:
        admissions = shared if one_process else Admissions(database)
        try:
            return await admissions.admit(record, resets_at=RESETS_AT, queue_limit=21)
        except QueueFull as refusal:
            assert (refusal.units, refusal.limit) == (2, 21)
            return None

    admitted = [record for record in await asyncio.gather(*map(submit, records)) if record]
    assert len(admitted) == 10
    row = await counter(database, records[0])
    assert row is not None and row["reserved"] == 20
    assert await database.jobs.count_documents({}) == 10

    first = admitted[0]
    await JobStore(database).cancel_queued(
        first.id, workspace=first.workspace, reason="by user", at=RESETS_AT
    )
    assert await submit(make_record(units=2)) is not None
    assert await submit(make_record(units=2)) is None


async def test_what_the_period_before_still_has_reserved_is_in_the_queue_too(
    database: Database,
) -> None:
    admissions = Admissions(database)
    now = make_record(units=2)
    before = make_record(units=3)
    counter_before = quota.counter_before(now.quota.counter)
    before = before.model_copy(
        update={"quota": before.quota.model_copy(update={"counter": counter_before})}
    )
    assert await admissions.admit(before, resets_at=RESETS_AT) is not None

    with pytest.raises(QueueFull) as refused:
        await admissions.admit(now, resets_at=RESETS_AT, queue_limit=4)
    assert refused.value.reserved == 3
    with pytest.raises(QueueFull):
        await admissions.check_limits(now.quota, resets_at=RESETS_AT, queue_limit=4)

    await JobStore(database).cancel_queued(
        before.id, workspace=before.workspace, reason="by user", at=RESETS_AT
    )
    assert await admissions.admit(now, resets_at=RESETS_AT, queue_limit=4) is not None


async def test_a_quota_that_is_used_up_is_told_before_a_full_queue(database: Database) -> None:
    admissions = Admissions(database)
    await admissions.admit(make_record(units=4, limit=5), resets_at=RESETS_AT)
    with pytest.raises(QuotaExhausted):
        await admissions.admit(make_record(units=2, limit=5), resets_at=RESETS_AT, queue_limit=4)
    assert await QuotaAudit(database).differences() == []
