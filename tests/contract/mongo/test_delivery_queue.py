"""Who is tried next: fair by workspace, few at once, and no queue behind who does not answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from imagerift_core.mongo import Database
from imagerift_core.mongo.deliveries import Delivery, DeliveryStore, Try
from imagerift_core.mongo.delivery_queue import LEASE_SECONDS, UNANSWERED, DeliveryQueue
from imagerift_core.webhooks import (
    BREAKS_AFTER,
    GIVEN_UP_AFTER,
    HOST_TRIES_AT_ONCE,
    WORKSPACE_TRIES_AT_ONCE,
    lane_of,
    put_off_for,
)

from tests.support.job_records import ACCEPTED_AT as AT

ADA, EVE = "ws_ada", "ws_eve"
SLOW, QUICK = "https://slow.example/hook", "https://quick.example/hook"
LATER = AT + timedelta(seconds=1)


async def due(
    database: Database, workspace: str, url: str, count: int = 1, **fields: Any
) -> list[str]:
    """Rows as the end of a job leaves them, due since `AT` in this order."""
    first = await database.deliveries.count_documents({})
    rows = []
    for n in range(first, first + count):
        delivery = Delivery(
            _id=f"evt_{n:06}",
            workspace=workspace,
            job=f"job-{n}",
            event="job.succeeded",
            target="job",
            url=url,
            created_at=AT,
            next_at=AT + timedelta(milliseconds=n % 500),
            lane=lane_of(workspace, url),
            give_up_at=AT + GIVEN_UP_AFTER,
        )
        rows.append(delivery.model_dump(by_alias=True, exclude_none=True) | {"ready": True})
    await database.deliveries.insert_many([row | fields for row in rows])
    return [row["_id"] for row in rows]


async def tried(queue: DeliveryQueue, delivery: Delivery, at: Any, **result: Any) -> None:
    """Notes a try whose row is over where it was answered, and is due again in a minute else."""
    done = result.get("status") is not None
    made = Try(at=at, latency_ms=0, **({"status": None} | result))
    next_at = None if done else at + timedelta(minutes=1)
    state: Any = "delivered" if done else "pending"
    assert await queue.record_try(delivery, made, state=state, next_at=next_at)


async def break_lane(database: Database, workspace: str, url: str, error: str = "timeout") -> None:
    """Leaves so many tries without an answer that the lane rests, and no row of it."""
    queue = DeliveryQueue(database)
    await due(database, workspace, url, BREAKS_AFTER)
    while rows := (await queue.lease(holder="w", at=LATER, limit=16)).deliveries:
        for row in rows:
            await tried(queue, row, LATER, error=error)
    await database.deliveries.delete_many({"workspace": workspace, "url": url})


async def test_a_workspace_of_which_nothing_is_under_way_goes_first(database: Database) -> None:
    await due(database, ADA, SLOW, 64)
    queue = DeliveryQueue(database)
    held = (await queue.lease(holder="w", at=LATER, limit=64)).deliveries
    assert {row.workspace for row in held} == {ADA}
    await due(database, ADA, QUICK, 3)
    (own,) = await due(database, EVE, SLOW)

    # Of a replica whose turns have not begun, for which Ada's name comes first.
    (first,) = (await DeliveryQueue(database).lease(holder="v", at=LATER, limit=1)).deliveries

    assert first.id == own


async def test_no_more_are_under_way_than_a_workspace_and_a_host_may_have(
    database: Database,
) -> None:
    """Of all replicas together, whoever leases at the same moment."""
    for url in (SLOW, QUICK, "https://third.example/", "https://fourth.example/"):
        await due(database, ADA, url, 20)
    await due(database, EVE, SLOW, 20)
    replicas = [DeliveryQueue(database) for _ in range(6)]

    found = await asyncio.gather(
        *(queue.lease(holder=f"w{n}", at=LATER, limit=50) for n, queue in enumerate(replicas))
    )

    rows = [row for leased in found for row in leased.deliveries]
    assert len({row.id for row in rows}) == len(rows)
    assert Counter(row.workspace for row in rows) == {
        ADA: WORKSPACE_TRIES_AT_ONCE,
        EVE: HOST_TRIES_AT_ONCE,
    }
    assert max(Counter((row.workspace, row.url) for row in rows).values()) <= HOST_TRIES_AT_ONCE


async def test_an_end_of_a_try_or_of_its_lease_makes_room(database: Database) -> None:
    rows = await due(database, ADA, SLOW, 30)
    queue = DeliveryQueue(database)
    held = (await queue.lease(holder="w", at=LATER, limit=50)).deliveries
    # What is due the longest goes first.
    assert [row.id for row in held] == rows[:HOST_TRIES_AT_ONCE]
    assert not (await queue.lease(holder="w", at=LATER, limit=50)).deliveries

    await tried(queue, held[0], LATER, status=200)
    assert len((await queue.lease(holder="w", at=LATER, limit=50)).deliveries) == 1

    at = LATER + timedelta(seconds=LEASE_SECONDS)
    again = (await queue.lease(holder="heir", at=at, limit=50)).deliveries
    assert [row.id for row in again] == rows[1 : HOST_TRIES_AT_ONCE + 1]


async def test_what_is_given_back_is_due_at_once_unless_its_try_was_noted(
    database: Database,
) -> None:
    rows = await due(database, ADA, SLOW, HOST_TRIES_AT_ONCE)
    queue = DeliveryQueue(database)
    held = (await queue.lease(holder="w", at=LATER, limit=50)).deliveries
    await tried(queue, held[0], LATER, status=200)

    await queue.release(held)

    again = (await queue.lease(holder="heir", at=LATER, limit=50)).deliveries
    assert [row.id for row in again] == rows[1:]
    await queue.release(held)
    assert not (await queue.lease(holder="w", at=LATER, limit=50)).deliveries


async def test_workspaces_and_the_hosts_of_one_take_turns(database: Database) -> None:
    urls = [f"https://{n}.example/" for n in range(3)]
    for url in urls:
        await due(database, ADA, url, 20)
    await due(database, EVE, SLOW, 20)
    queue = DeliveryQueue(database)

    served = []
    for _ in range(12):
        (row,) = (await queue.lease(holder="w", at=LATER, limit=1)).deliveries
        await tried(queue, row, LATER, status=200)
        served.append(row)

    assert Counter(row.workspace for row in served) == {ADA: 6, EVE: 6}
    assert Counter(row.url for row in served if row.workspace == ADA) == dict.fromkeys(urls, 2)


@pytest.mark.parametrize("error", sorted(UNANSWERED))
async def test_what_is_due_to_a_host_that_does_not_answer_is_put_off_together(
    database: Database, error: str
) -> None:
    await break_lane(database, ADA, SLOW, error)
    waiting = await due(database, ADA, SLOW, 40)
    await due(database, ADA, QUICK)
    await due(database, EVE, SLOW)

    leased = await DeliveryQueue(database).lease(holder="w", at=LATER, limit=50)

    # Neither its workspace's other hosts nor another workspace's way to that host have to wait.
    told = {(row.workspace, row.url) for row in leased.deliveries}
    assert told == {(ADA, QUICK), (EVE, SLOW)}
    assert leased.put_off == 40
    pause = put_off_for(BREAKS_AFTER)
    assert pause is not None
    async for row in database.deliveries.find({"_id": {"$in": waiting}}):
        assert Delivery.model_validate(row).next_at == LATER + pause
        assert (row["state"], row["tries"], row["log"]) == ("pending", 0, [])


async def test_after_its_pause_one_try_asks_whether_the_host_is_back(database: Database) -> None:
    await break_lane(database, ADA, SLOW)
    await due(database, ADA, SLOW, 40)
    pause = put_off_for(BREAKS_AFTER)
    assert pause is not None
    await DeliveryQueue(database).lease(holder="w", at=LATER, limit=50)
    at = LATER + pause

    async def probe() -> Delivery:
        replicas = [DeliveryQueue(database) for _ in range(4)]
        found = await asyncio.gather(
            *(queue.lease(holder=f"w{n}", at=at, limit=50) for n, queue in enumerate(replicas))
        )
        assert sum(leased.put_off for leased in found) >= 38
        (row,) = [row for leased in found for row in leased.deliveries]
        return row

    await tried(DeliveryQueue(database), await probe(), at, error="timeout")
    # It is not: the next pause is longer.
    assert not (await DeliveryQueue(database).lease(holder="w", at=at, limit=50)).deliveries
    longer = put_off_for(BREAKS_AFTER + 1)
    assert longer is not None
    assert longer > pause
    assert not (await DeliveryQueue(database).lease(holder="w", at=at + pause, limit=9)).deliveries
    at += longer
    await tried(DeliveryQueue(database), await probe(), at, status=500)

    # It is: whoever waited goes when its time has come.
    at += longer
    leased = await DeliveryQueue(database).lease(holder="w", at=at, limit=50)
    assert len(leased.deliveries) == HOST_TRIES_AT_ONCE
    assert leased.put_off == 0


async def test_of_replicas_that_see_the_pause_end_together_one_asks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await break_lane(database, ADA, SLOW)
    await due(database, ADA, SLOW, 40)
    pause = put_off_for(BREAKS_AFTER)
    assert pause is not None
    await DeliveryQueue(database).lease(holder="w", at=LATER, limit=50)
    together, breakers, asked = asyncio.Barrier(2), database.webhook_breakers, count(1)
    ask = breakers.update_one

    async def ask_together(*arguments: Any) -> Any:
        """Both have read that the pause is over before one of them asks to be the one."""
        if next(asked) <= 2:
            await together.wait()
        return await ask(*arguments)

    monkeypatch.setattr(breakers, "update_one", ask_together)
    found = await asyncio.gather(
        *(
            DeliveryQueue(database).lease(holder=f"w{n}", at=LATER + pause, limit=50)
            for n in range(2)
        )
    )

    assert sum(len(leased.deliveries) for leased in found) == 1


async def test_any_answer_starts_the_count_anew(database: Database) -> None:
    queue = DeliveryQueue(database)
    await due(database, ADA, SLOW, 2 * BREAKS_AFTER)
    for answer in [*["timeout"] * (BREAKS_AFTER - 1), None, *["timeout"] * (BREAKS_AFTER - 1)]:
        (row,) = (await queue.lease(holder="w", at=LATER, limit=1)).deliveries
        await tried(queue, row, LATER, **({"error": answer} if answer else {"status": 503}))
    assert len((await queue.lease(holder="w", at=LATER, limit=1)).deliveries) == 1


def test_pauses_double_up_to_half_an_hour() -> None:
    assert put_off_for(BREAKS_AFTER - 1) is None
    pauses = [put_off_for(BREAKS_AFTER + n) for n in range(7)]
    assert pauses == [timedelta(minutes=n) for n in (1, 2, 4, 8, 16, 30, 30)]
    assert put_off_for(10**6) == timedelta(minutes=30)


async def test_who_was_put_off_until_the_end_of_the_schedule_has_failed(
    database: Database,
) -> None:
    await break_lane(database, ADA, SLOW)
    (old,) = await due(database, ADA, SLOW, give_up_at=LATER)
    (young,) = await due(database, ADA, SLOW)

    leased = await DeliveryQueue(database).lease(holder="w", at=LATER, limit=9)

    assert (leased.deliveries, leased.put_off) == ([], 1)
    failed = Delivery.model_validate(await database.deliveries.find_one({"_id": old}))
    assert (failed.state, failed.next_at) == ("failed", None)
    assert [item.error for item in failed.log] == ["given_up"]
    waits = Delivery.model_validate(await database.deliveries.find_one({"_id": young}))
    assert waits.state == "pending"
    again = await DeliveryStore(database).replay(ADA, old, at=LATER)
    assert (again.state, again.give_up_at) == ("pending", LATER + GIVEN_UP_AFTER)


async def test_rows_of_an_older_release_are_sent_too(database: Database) -> None:
    rows = await due(database, ADA, SLOW, 3)
    new = {"lane": "", "ready": "", "give_up_at": ""}
    lease = {"lease": None, "leased_until": None}
    await database.deliveries.update_many({}, {"$unset": new, "$set": lease})
    held = {"lease": "of-the-older", "leased_until": AT + timedelta(minutes=1)}
    await database.deliveries.update_one({"_id": rows[0]}, {"$set": held})
    await database.deliveries.update_one({"_id": rows[1]}, {"$set": {"ready": True}})
    queue = DeliveryQueue(database)

    first = (await queue.lease(holder="w", at=LATER, limit=9)).deliveries
    assert sorted(row.id for row in first) == rows[1:]
    assert {row.lane for row in first} == {lane_of(ADA, SLOW)}
    at = AT + timedelta(minutes=1)
    late = (await queue.lease(holder="w", at=at, limit=9)).deliveries
    assert [row.id for row in late] == rows[:1]


@asynccontextmanager
async def profiled(database: Database) -> AsyncIterator[list[dict[str, Any]]]:
    """What the server says of each thing that was asked of the outbox meanwhile."""
    mongo = database.deliveries.database
    seen: list[dict[str, Any]] = []
    await mongo.drop_collection("system.profile")
    await mongo.command("profile", 2)
    try:
        yield seen
    finally:
        await mongo.command("profile", 0)
    async for entry in mongo["system.profile"].find({"ns": database.deliveries.full_name}):
        seen.append(entry)
    await mongo.drop_collection("system.profile")


async def test_a_lease_examines_what_it_takes_whatever_waits(database: Database) -> None:
    """Beside the backlog of a slow host, retries to come, and the log of what is over."""
    await due(database, ADA, SLOW, 3_000)
    await due(database, ADA, QUICK, 50, ready=False, next_at=AT + timedelta(days=1))
    for n in range(300):
        await due(database, f"ws_{n:03}", QUICK, ready=False, next_at=AT + timedelta(days=1))
    over = {"state": "delivered", "next_at": None}
    ended = await due(database, ADA, QUICK, 1_000, **over)
    await database.deliveries.update_many({"_id": {"$in": ended}}, {"$unset": {"ready": ""}})
    queue = DeliveryQueue(database)
    held = (await queue.lease(holder="w", at=LATER, limit=50)).deliveries
    assert len(held) == HOST_TRIES_AT_ONCE
    (own,) = await due(database, EVE, QUICK)

    async with profiled(database) as asked:
        (row,) = (await queue.lease(holder="w", at=LATER, limit=1)).deliveries
        await tried(queue, row, LATER, status=200)
        await tried(queue, held[0], LATER, error="timeout")
        page = await DeliveryStore(database).page(
            ADA, webhook=None, state="pending", before=None, limit=20
        )

    assert (row.id, len(page)) == (own, 20)
    assert len(asked) >= 8
    for entry in asked:
        given = entry.get("nreturned", 0) + entry.get("nMatched", 0) + entry.get("nModified", 0)
        examined = max(entry.get("keysExamined", 0), entry.get("docsExamined", 0))
        assert "COLLSCAN" not in entry.get("planSummary", ""), entry
        assert examined <= max(2 * given, 2), entry


async def test_putting_off_examines_what_it_puts_off(database: Database) -> None:
    await break_lane(database, ADA, SLOW)
    await due(database, ADA, SLOW, 500)
    await due(database, ADA, QUICK, 500)
    await due(database, EVE, SLOW, 500)

    async with profiled(database) as asked:
        leased = await DeliveryQueue(database).lease(holder="w", at=LATER, limit=50)

    assert leased.put_off == 500
    examined = sum(entry.get("keysExamined", 0) for entry in asked)
    assert examined <= 3 * 500, [(entry["op"], entry.get("keysExamined")) for entry in asked]
