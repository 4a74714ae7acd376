"""How much the outbox has to deliver, and since when it is due: counted, and never read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from imagerift_core.mongo import Database, deliveries
from imagerift_core.mongo.deliveries import Backlog, DeliveryStore
from imagerift_core.mongo.delivery_queue import LEASE_SECONDS, DeliveryQueue
from imagerift_core.webhooks import HOST_TRIES_AT_ONCE

from tests.contract.mongo.test_delivery_queue import ADA, EVE, LATER, QUICK, SLOW, due, profiled
from tests.support.job_records import ACCEPTED_AT as AT

TOMORROW = AT + timedelta(days=1)


async def test_an_empty_outbox_has_nothing_due(database: Database) -> None:
    assert await DeliveryStore(database).backlog(at=LATER) == Backlog(0, 0, 0, None)


async def test_what_waits_is_counted_by_whether_it_may_be_tried(database: Database) -> None:
    queue, store = DeliveryQueue(database), DeliveryStore(database)
    await due(database, ADA, SLOW, 10)
    await due(database, EVE, QUICK, 3, ready=False, next_at=TOMORROW)
    over = await due(database, EVE, QUICK, 5, state="delivered", next_at=None)
    await database.deliveries.update_many({"_id": {"$in": over}}, {"$unset": {"ready": ""}})
    assert await store.backlog(at=LATER) == Backlog(10, 0, 3, AT)

    held = (await queue.lease(holder="w", at=LATER, limit=50)).deliveries
    assert len(held) == HOST_TRIES_AT_ONCE
    backlog = await store.backlog(at=LATER)
    assert (backlog.due, backlog.trying, backlog.later) == (6, 4, 3)
    left = await database.deliveries.find_one({"ready": True}, sort=[("next_at", 1)])
    assert left is not None and backlog.due_since == left["next_at"]


async def test_what_is_due_is_seen_though_no_worker_looks(database: Database) -> None:
    """Where every replica is stuck, nobody marks what has become due."""
    await due(database, ADA, QUICK, 2, ready=False, next_at=AT)
    await due(database, ADA, QUICK, ready=False, next_at=TOMORROW)
    found = await DeliveryStore(database).backlog(at=LATER + timedelta(seconds=LEASE_SECONDS))
    assert found == Backlog(2, 0, 1, AT)


async def test_counting_stops_somewhere_and_reads_no_row(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await due(database, ADA, SLOW, 2_000)
    await due(database, EVE, QUICK, 1_500, ready=False, next_at=TOMORROW)
    monkeypatch.setattr(deliveries, "MOST_COUNTED", 1_000)
    async with profiled(database) as asked:
        backlog = await DeliveryStore(database).backlog(at=LATER)
    assert (backlog.due, backlog.later) == (1_000, 1_000)
    assert len(asked) >= 6
    for entry in asked:
        assert entry.get("docsExamined", 0) <= 1, entry
        assert entry.get("keysExamined", 0) <= 1_001, entry
