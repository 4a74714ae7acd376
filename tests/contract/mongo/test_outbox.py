"""The outbox: rows are written where a job ends, or nowhere."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core.ids import new_webhook_id
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import Database, deliveries, delivery_queue
from imagerift_core.mongo.account_log import ADMIN_COMMAND
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.deliveries import Delivery, DeliveryStore, Try
from imagerift_core.mongo.delivery_queue import DeliveryQueue
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.settlement import Settlements
from imagerift_core.mongo.webhooks import Webhook, WebhookStore
from imagerift_core.webhooks import ALL_EVENTS, MAX_TRIES, delivery_id, pause_after

from tests.support import job_states
from tests.support.job_records import ACCEPTED_AT, WORKSPACE, broken, delivered, make_record

AT = ACCEPTED_AT + timedelta(minutes=1)
URL = "https://hook.example/job"


async def accepted(database: Database, **fields: Any) -> JobRecord:
    record = await Admissions(database).admit(make_record(**fields), resets_at=AT)
    assert record is not None
    return record


async def running(database: Database, **fields: Any) -> JobRecord:
    claimed = await job_states.claim(database, await accepted(database, **fields))
    assert claimed is not None
    return claimed


async def webhook(database: Database, **fields: Any) -> Webhook:
    values: dict[str, Any] = {
        "_id": new_webhook_id(),
        "workspace": WORKSPACE,
        "url": "https://hook.example/all",
        "events": list(ALL_EVENTS),
        "secret": b"sealed",
        "created_at": AT,
    }
    made = Webhook.model_validate(values | fields)
    await WebhookStore(database).create(made, actor=ADMIN_COMMAND, host="hook.example")
    return made


async def rows(database: Database, job: JobRecord) -> list[Delivery]:
    found = database.deliveries.find({"job": job.id}).sort("url", 1)
    return [Delivery.model_validate(document) async for document in found]


async def test_a_settled_job_leaves_a_row_for_each_target(database: Database) -> None:
    hook = await webhook(database)
    await webhook(database, workspace="ws_other")
    await webhook(database, events=["job.failed"])
    job = await running(database, webhook_url=URL)

    await Settlements(database).settle([delivered(job)], at=AT)

    found = await rows(database, job)
    assert [(row.target, row.url, row.event) for row in found] == [
        (hook.id, "https://hook.example/all", "job.succeeded"),
        ("job", URL, "job.succeeded"),
    ]
    assert {row.state for row in found} == {"pending"}
    assert job.spec.prompt not in str(await database.deliveries.find({}).to_list(None))


async def test_failed_and_canceled_jobs_tell_so(database: Database) -> None:
    failing, canceled = [await running(database, webhook_url=URL) for _ in range(2)]
    await JobStore(database).ask_cancel(canceled.id, workspace=WORKSPACE, reason="r")

    await Settlements(database).settle([broken(failing), delivered(canceled)], at=AT)

    assert [row.event for row in await rows(database, failing)] == ["job.failed"]
    assert [row.event for row in await rows(database, canceled)] == ["job.canceled"]


async def test_a_queued_job_that_is_canceled_leaves_its_row(database: Database) -> None:
    job = await accepted(database, webhook_url=URL)
    await JobStore(database).cancel(job.id, workspace=WORKSPACE, reason="r", at=AT)
    assert [row.event for row in await rows(database, job)] == ["job.canceled"]
    await JobStore(database).cancel(job.id, workspace=WORKSPACE, reason="r", at=AT)
    assert len(await rows(database, job)) == 1


async def test_a_superseded_attempt_tells_nothing(database: Database) -> None:
    job = await running(database, webhook_url=URL)
    stale = delivered(job.model_copy(update={"owner": "somebody-else"}))
    await Settlements(database).settle([stale], at=AT)
    assert await rows(database, job) == []


@pytest.mark.parametrize("way", ["settle", "cancel"])
async def test_the_row_and_the_end_are_one_transaction(
    database: Database, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails after the rows are written takes them back, and the end with them."""
    add = deliveries.add

    async def add_and_fail(*arguments: Any, **options: Any) -> None:
        await add(*arguments, **options)
        raise RuntimeError("power cut")

    monkeypatch.setattr(deliveries, "add", add_and_fail)
    if way == "settle":
        job = await running(database, webhook_url=URL)
        result = await Settlements(database).settle([delivered(job)], at=AT)
        assert result.set_aside == {job.id: "RuntimeError"}
    else:
        job = await accepted(database, webhook_url=URL)
        with pytest.raises(RuntimeError):
            await JobStore(database).cancel(job.id, workspace=WORKSPACE, reason="r", at=AT)

    assert await rows(database, job) == []
    stored = await JobStore(database).get(job.id)
    assert stored is not None
    assert stored.status in {Status.QUEUED, Status.PROCESSING}
    assert stored.quota.state == "reserved"


async def test_a_disabled_webhook_hears_nothing(database: Database) -> None:
    hook = await webhook(database)
    await WebhookStore(database).disable(hook.id, reason="gone", actor=ADMIN_COMMAND, at=AT)
    job = await running(database)
    await Settlements(database).settle([delivered(job)], at=AT)
    assert await rows(database, job) == []


async def test_beyond_what_may_wait_a_row_is_noted_and_sent_when_it_is_replayed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MAX_WAITING", 3)
    for _ in range(5):
        job = await accepted(database, webhook_url=URL)
        await JobStore(database).cancel(job.id, workspace=WORKSPACE, reason="r", at=AT)
    other = await accepted(database, workspace="ws_other", webhook_url=URL)
    await JobStore(database).cancel(other.id, workspace="ws_other", reason="r", at=AT)

    found = [Delivery.model_validate(row) async for row in database.deliveries.find()]
    refused = [row for row in found if row.state == "failed"]
    assert [row.workspace for row in found if row.state == "pending"].count(WORKSPACE) == 3
    assert {row.workspace for row in refused} == {WORKSPACE}
    assert [[item.error for item in row.log] for row in refused] == [["too_many_waiting"]] * 2

    queue = DeliveryQueue(database)
    leased = (await queue.lease(holder="w", at=AT, limit=9)).deliveries
    assert {row.id for row in leased} == {row.id for row in found} - {row.id for row in refused}
    for row in leased:
        result = Try(at=AT, status=200, latency_ms=1)
        assert await queue.record_try(row, result, state="delivered", next_at=None)
    await DeliveryStore(database).replay(WORKSPACE, refused[0].id, at=AT)
    again = (await queue.lease(holder="w", at=AT, limit=9)).deliveries
    assert [row.id for row in again] == [refused[0].id]


async def one_row(database: Database) -> Delivery:
    job = await accepted(database, webhook_url=URL)
    await JobStore(database).cancel(job.id, workspace=WORKSPACE, reason="r", at=AT)
    (row,) = await rows(database, job)
    return row


async def test_a_row_is_leased_to_one_worker_until_the_lease_ends(database: Database) -> None:
    row = await one_row(database)
    outbox = DeliveryQueue(database)

    leased = await asyncio.gather(*(outbox.lease(holder=f"w{n}", at=AT, limit=8) for n in range(8)))

    held = [delivery for each in leased for delivery in each.deliveries]
    assert [item.id for item in held] == [row.id]
    later = AT + timedelta(seconds=delivery_queue.LEASE_SECONDS + 1)
    (second,) = (await outbox.lease(holder="late", at=later, limit=8)).deliveries
    # The first worker comes back from a long stop: what it has to say is void.
    result = Try(at=later, status=200, latency_ms=1)
    assert not await outbox.record_try(held[0], result, state="delivered", next_at=None)
    assert await outbox.record_try(second, result, state="delivered", next_at=None)
    assert not (await outbox.lease(holder="w", at=later + timedelta(days=9), limit=8)).deliveries


async def test_a_row_waits_for_its_next_try(database: Database) -> None:
    await one_row(database)
    outbox = DeliveryQueue(database)
    (leased,) = (await outbox.lease(holder="w", at=AT, limit=8)).deliveries
    next_at = AT + timedelta(hours=2)
    result = Try(at=AT, status=500, latency_ms=7)
    await outbox.record_try(leased, result, state="pending", next_at=next_at)
    early = await outbox.lease(holder="w", at=next_at - timedelta(seconds=1), limit=8)
    assert not early.deliveries
    (again,) = (await outbox.lease(holder="w", at=next_at, limit=8)).deliveries
    assert (again.id, again.tries, again.log) == (leased.id, 1, [result])


def test_ten_tries_take_about_seventy_five_hours() -> None:
    for _ in range(50):
        pauses = [pause_after(tries) for tries in range(1, MAX_TRIES)]
        total = sum((pause for pause in pauses if pause is not None), timedelta())
        assert None not in pauses
        assert timedelta(hours=66) < total < timedelta(hours=84)
    assert pause_after(MAX_TRIES) is None
    assert len({pause_after(2) for _ in range(20)}) > 1


def test_a_target_hears_of_a_job_under_one_id() -> None:
    assert delivery_id("a", "job") == delivery_id("a", "job")
    assert len({delivery_id(job, to) for job in "ab" for to in ("job", "whk_1")}) == 4
