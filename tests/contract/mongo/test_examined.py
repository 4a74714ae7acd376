"""Every query of the stores has an index: none costs more because of what others have."""

from __future__ import annotations

import inspect
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo import Database, Stores, connect
from imagerift_core.mongo.account_log import ADMIN_COMMAND, LogEntry
from imagerift_core.mongo.administrators import Administrator
from imagerift_core.mongo.claims import Claim
from imagerift_core.mongo.deliveries import Try
from imagerift_core.mongo.idempotency import AcceptedKey, KeyClaim
from imagerift_core.mongo.invitations import Invitation
from imagerift_core.mongo.job_lists import JobFilter
from imagerift_core.mongo.keys import ApiKey, NewSecret
from imagerift_core.mongo.rate_limited_reads import Poll
from imagerift_core.mongo.scheduler_snapshot import SchedulerSnapshot
from imagerift_core.mongo.sessions import AccountSession
from imagerift_core.mongo.uploads import Upload
from imagerift_core.mongo.webhooks import Webhook
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.quota import period_end
from imagerift_core.settlement_rules import Settlement
from pymongo import MongoClient, monitoring

from tests.support.examined import Examiner, table_of
from tests.support.job_records import ACCEPTED_AT as NOW
from tests.support.job_records import make_record
from tests.support.many_workspaces import BIG, LATE, SHARD, URL, counter, fill, job_id, workspace

Call = Callable[[], Awaitable[Any]]
OTHER = workspace(7)
# It reads all there is, and says so: an administrator's command; or no collection.
READ_EVERYTHING = {"audit.differences"}
NO_QUERY = {"abandoned.end", "job_changes.open"}


@pytest.fixture
def examiner(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Examiner]:
    """Explains what clients send that are made while this is in use."""
    name = f"examined_{secrets.token_hex(6)}"
    with MongoClient[dict[str, Any]](mongo_url) as client:
        examiner = Examiner(client, name)
        known = monitoring._LISTENERS
        listeners = [*known.command_listeners, examiner]
        monkeypatch.setattr(monitoring, "_LISTENERS", known._replace(command_listeners=listeners))
        yield examiner
        client.drop_database(name)
    # A file for the table of docs/performance.md.
    named = os.environ.get("IMAGERIFT_TEST_EXAMINED")
    if named and len(examiner.queries) > 1:
        Path(named).write_text(table_of(examiner.queries) + "\n")


@pytest.fixture
async def busy(mongo_url: str, examiner: Examiner) -> AsyncIterator[Database]:
    async with connect(mongo_url, examiner.name) as database:
        await database.ensure_indexes()
        await fill(database)
        yield database


async def listed(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def reads(s: Stores) -> dict[str, list[Call]]:
    """What changes nothing, by the method that is called."""
    place = (NOW - timedelta(hours=800), "x")
    late = NOW + timedelta(days=1)
    old, month = NOW - timedelta(hours=6000), counter(BIG, 11).rpartition(":")[2]

    def page(**fields: Any) -> Call:
        return lambda: s.jobs.page(JobFilter(workspace=BIG, **fields), limit=20)

    def deliveries(webhook: str | None = None, state: Any = None, before: Any = None) -> Call:
        return lambda: s.deliveries.page(BIG, webhook=webhook, state=state, before=before, limit=20)

    key = f"workspaces/{BIG}/jobs/{job_id(BIG, 5)}/source"
    reservation = make_record(workspace=BIG).quota
    return {
        "account_log.page": [
            lambda: s.account_log.page(BIG, before=None, limit=10),
            lambda: s.account_log.page(BIG, before=(NOW, "log"), limit=10),
        ],
        "administrators.get": [lambda: s.administrators.get("adm")],
        "administrators.all": [s.administrators.all],
        "catalogue.all": [s.catalogue.all],
        "catalogue.get": [lambda: s.catalogue.get("plan", "gold")],
        "catalogue.workspaces_on": [lambda: s.catalogue.workspaces_on("pro")],
        "catalogue.has_live_jobs": [lambda: s.catalogue.has_live_jobs("style")],
        "catalogue.shards_that_serve": [lambda: s.catalogue.shards_that_serve("style", since=NOW)],
        "admissions.check_limits": [
            lambda: s.admissions.check_limits(reservation, resets_at=late, queue_limit=5)
        ],
        "people.page": [lambda: s.people.page(after=f"usr_{BIG}", limit=3)],
        "workspaces.page": [lambda: s.workspaces.page(after=BIG, limit=3)],
        "jobs.live_in": [lambda: s.jobs.live_in(BIG)],
        "batches.get": [lambda: s.batches.get(f"batch_{BIG}_0", workspace=BIG)],
        "batches.progress": [lambda: s.batches.progress(f"batch-{BIG}-3")],
        "batches.records": [
            lambda: listed(s.batches.records(f"batch-{BIG}-3")),
            lambda: listed(s.batches.records(f"batch-{BIG}-0", live=True)),
        ],
        "deliveries.backlog": [lambda: s.deliveries.backlog(at=NOW)],
        "deliveries.page": [
            deliveries(),
            deliveries(before=(NOW - timedelta(minutes=500), "x")),
            deliveries(state="failed"),
            deliveries(webhook=f"whk_{BIG}_1"),
        ],
        "idempotency_keys.find": [lambda: s.idempotency_keys.find(f"idem_{BIG}_1", at=NOW)],
        "invitations.all_of": [lambda: s.invitations.all_of(BIG, at=NOW)],
        "jobs.get": [lambda: s.jobs.get(job_id(BIG, 5), workspace=BIG)],
        "jobs.get_certain": [lambda: s.jobs.get_certain(job_id(BIG, 5), workspace=BIG)],
        "jobs.settle_doubt": [s.jobs.settle_doubt],
        "jobs.get_many": [lambda: s.jobs.get_many([job_id(BIG, n) for n in range(30)])],
        "jobs.page": [
            page(),
            page(before=place),
            page(status=["failed"]),
            page(status=["failed", "canceled"], before=place),
            page(mode="avatar"),
            page(mode="avatar", before=place),
            page(batch_id=f"batch-{BIG}-3"),
            page(created_after=NOW - timedelta(hours=900), created_before=place[0]),
        ],
        "jobs.by_generation_id": [lambda: s.jobs.by_generation_id(f"gen-{BIG}-5", workspace=BIG)],
        "jobs.source_of": [lambda: s.jobs.source_of(workspace=BIG, key=key)],
        "jobs.without_resource": [lambda: s.jobs.without_resource(**SHARD, created_before=late)],
        "jobs.live_resources": [
            lambda: listed(s.jobs.live_resources(**SHARD, created_before=late))
        ],
        "jobs.overdue": [lambda: s.jobs.overdue(**SHARD, at=NOW)],
        "jobs.processing": [lambda: s.jobs.processing(**SHARD)],
        "jobs.expired": [lambda: s.jobs.expired(**SHARD, at=NOW)],
        "keys.get": [lambda: s.keys.get(f"key_{BIG}_0")],
        "keys.all_of": [lambda: s.keys.all_of(BIG)],
        "members.get": [lambda: s.members.get(BIG, f"usr_{BIG}")],
        "members.all_of": [lambda: s.members.all_of(BIG)],
        "members.of_person": [lambda: s.members.of_person(f"usr_{BIG}")],
        "people.find": [lambda: s.people.find("i", BIG)],
        "people.get": [lambda: s.people.get(f"usr_{BIG}")],
        "people.get_many": [lambda: s.people.get_many([f"usr_{BIG}", f"usr_{OTHER}"])],
        "rate_limited_reads.count_and_read": [
            lambda: s.rate_limited_reads.count_and_read(Poll(BIG, 9, LATE, job_id(BIG, 5), BIG))
        ],
        "rate_windows.give_back": [lambda: s.rate_windows.give_back(BIG, at=LATE)],
        "rate_windows.count": [lambda: s.rate_windows.count(BIG, limit=9, at=LATE)],
        "sessions.get": [lambda: s.sessions.get(f"session_{BIG}_0", person=f"usr_{BIG}")],
        "sessions.all_of": [lambda: s.sessions.all_of(f"usr_{BIG}", at=NOW, used_since=NOW)],
        "snapshots.served_modes": [lambda: s.snapshots.served_modes("imagerift")],
        "snapshots.read": [lambda: s.snapshots.read("imagerift", at=NOW)],
        "uploads.get": [lambda: s.uploads.get(f"upl_{BIG}_0", workspace=BIG, at=NOW)],
        "uploads.known": [lambda: s.uploads.known([f"upl_{BIG}_0", "img_gone"])],
        "uploads.expired": [lambda: s.uploads.expired(**SHARD, at=NOW)],
        "usage.periods": [lambda: s.usage.periods(BIG)],
        "usage.by_key": [lambda: s.usage.by_key(BIG, counter(BIG, 6).rpartition(":")[2])],
        "usage.ledger_page": [
            lambda: s.usage.ledger_page(BIG, month, before=None, limit=10),
            lambda: s.usage.ledger_page(BIG, month, before=(old, "x"), limit=10),
        ],
        "usage.standing": [lambda: s.usage.standing(counter(BIG, 0))],
        "usage.by_day": [lambda: s.usage.by_day(BIG, since=(NOW - timedelta(days=30)).date())],
        "webhooks.all_of": [lambda: s.webhooks.all_of(BIG)],
        "webhooks.get": [lambda: s.webhooks.get(f"whk_{BIG}_0")],
        "workspaces.get": [lambda: s.workspaces.get(BIG)],
        "workspaces.get_many": [lambda: s.workspaces.get_many([BIG, OTHER])],
    }


def job_changes(s: Stores) -> dict[str, list[Call]]:
    """What happens to a job, in its order."""
    resets_at = period_end(NOW)
    new = make_record("new", workspace=BIG, at=NOW)
    joint = [make_record(f"joint-{n}", workspace=BIG, at=NOW) for n in range(3)]
    processing = job_id(BIG, 1)
    delivered = Settlement(job_id=job_id(OTHER, 1), attempt=1, owner="dispatcher-1", outputs=[])

    def claim(space: str) -> Claim:
        return Claim(job_id(space, 0), 0, "me", "pool", f"uid-{space}-0", NOW, NOW)

    def accepted(key: str) -> KeyClaim:
        row = AcceptedKey(_id=key, fingerprint="f", result="r", expires_at=LATE)
        return KeyClaim(row, at=NOW)

    return {
        "admissions.admit": [
            lambda: s.admissions.admit(new, resets_at=resets_at, queue_limit=50),
            lambda: s.admissions.admit(
                make_record("keyed", workspace=BIG, at=NOW),
                resets_at=resets_at,
                claim=accepted("k"),
            ),
        ],
        "admissions.admit_all": [lambda: s.admissions.admit_all(joint, resets_at=resets_at)],
        "jobs.set_resource_uids": [lambda: s.jobs.set_resource_uids({"new": "u", "keyed": "v"})],
        "jobs.claim_all": [
            lambda: s.jobs.claim_all([claim(OTHER)]),
            lambda: s.jobs.claim_all([claim(workspace(n)) for n in range(20, 40)]),
        ],
        "jobs.count_preemption": [
            lambda: s.jobs.count_preemption(job_id(OTHER, 0), attempt=1, owner="me")
        ],
        "jobs.requeue": [
            lambda: s.jobs.requeue(job_id(OTHER, 0), attempt=1, owner="me", failed=True)
        ],
        "jobs.cancel_queued": [
            lambda: s.jobs.cancel_queued("joint-0", workspace=BIG, reason="r", at=NOW)
        ],
        "jobs.ask_cancel": [lambda: s.jobs.ask_cancel(processing, workspace=BIG, reason="r")],
        "jobs.cancel": [lambda: s.jobs.cancel("joint-1", workspace=BIG, reason="r", at=NOW)],
        "jobs.fail_overdue": [lambda: s.jobs.fail_overdue(job_id(workspace(100), 0), at=NOW)],
        "settlements.settle": [lambda: s.settlements.settle([delivered], at=NOW)],
        "jobs.forget": [lambda: s.jobs.forget(job_id(BIG, 11), at=NOW)],
        "delivery_queue.lease": [
            lambda: s.delivery_queue.lease(holder="w", at=NOW, limit=4) for _ in range(3)
        ],
        "delivery_queue.record_try": [lambda: _try_one(s)],
        "delivery_queue.release": [lambda: _release_one(s)],
        "deliveries.replay": [lambda: s.deliveries.replay(BIG, f"evt_{BIG}_9", at=NOW)],
    }


async def _remove_one(s: Stores) -> None:
    entry = await s.catalogue.get("plan", "gold")
    assert entry is not None
    await s.catalogue.remove(entry)


async def _try_one(s: Stores) -> None:
    (leased,) = (await s.delivery_queue.lease(holder="w", at=NOW, limit=1)).deliveries
    result = Try(at=NOW, status=None, latency_ms=1, error="timeout")
    await s.delivery_queue.record_try(leased, result, state="pending", next_at=NOW)


async def _release_one(s: Stores) -> None:
    await s.delivery_queue.release(
        (await s.delivery_queue.lease(holder="w", at=NOW, limit=1)).deliveries
    )


def account_changes(s: Stores) -> dict[str, list[Call]]:
    """What people and administrators change, in an order in which it can be."""
    own: dict[str, Any] = {"actor": ADMIN_COMMAND, "at": NOW}
    person = f"usr_{BIG}"
    key = ApiKey(
        _id="key", workspace=BIG, name="n", token_hash="h", prefix="p", last_four="four", scopes=[],
        created_at=NOW, created_by=person,
    )  # fmt: skip
    entry = LogEntry(workspace=BIG, actor=ADMIN_COMMAND, action="key.created", at=NOW)
    invitation = Invitation(
        _id="inv", workspace=BIG, role="member", token_hash="t", invited_by=person,
        created_at=NOW, expires_at=LATE,
    )  # fmt: skip
    webhook = Webhook(
        _id="whk", workspace=BIG, url=URL, events=["job.failed"], secret=b"s", created_at=NOW
    )
    upload = Upload(
        _id="upl", workspace=BIG, key="k", content_type="image/png", size_bytes=1, created_at=NOW,
        expires_at=NOW, **SHARD,
    )  # fmt: skip
    session = AccountSession(
        _id="ses", person=f"usr_{BIG}", created_at=NOW, expires_at=LATE, last_used_at=NOW
    )
    snapshot = SchedulerSnapshot(_id="imagerift", at=NOW, places={})
    administrator = Administrator(
        _id="adm", name="n", token_hash="h", last_four="four", created_at=NOW, created_by="a"
    )
    new = Workspace(_id="ws_new", name="n", plan="pro", created_at=NOW)
    late = new.model_copy(update={"id": "ws_late"})
    holder = ManagedBy(namespace="n", name="w", uid="u1")
    identity: dict[str, Any] = {"issuer": "i", "subject": "new"}
    claim = KeyClaim(AcceptedKey(_id="u", fingerprint="f", result="r", expires_at=LATE), at=NOW)
    return {
        "administrators.create": [
            lambda: s.administrators.create(administrator, actor=ADMIN_COMMAND)
        ],
        "administrators.revoke": [lambda: s.administrators.revoke("adm", **own)],
        "catalogue.put": [lambda: s.catalogue.put("plan", "gold", {}, **own)],
        "catalogue.claim": [lambda: s.catalogue.claim("plan", "gold", holder, others=["u2"])],
        "catalogue.release": [lambda: s.catalogue.release("plan", "gold")],
        "catalogue.retire": [lambda: s.catalogue.retire("plan", "gold", **own)],
        "catalogue.remove": [lambda: _remove_one(s)],
        "webhooks.mark_secret_tried": [lambda: s.webhooks.mark_secret_tried("whk")],
        "webhooks.mark_secret_written": [lambda: s.webhooks.mark_secret_written("whk")],
        "account_log.append": [lambda: s.account_log.append(entry)],
        "keys.create": [lambda: s.keys.create(key, actor=ADMIN_COMMAND)],
        "keys.mark_used": [lambda: s.keys.mark_used(["key", f"key_{BIG}_0"], at=NOW)],
        "keys.rotate": [
            lambda: s.keys.rotate(
                BIG, "key", NewSecret("h", "four"), person=person, overlap_until=NOW, **own
            )
        ],
        "keys.revoke": [lambda: s.keys.revoke(BIG, "key", **own)],
        "invitations.create": [lambda: s.invitations.create(invitation, actor=ADMIN_COMMAND)],
        "invitations.find": [lambda: s.invitations.find(BIG, at=NOW)],
        "invitations.revoke": [lambda: s.invitations.revoke(BIG, "inv", **own)],
        "invitations.accept": [lambda: s.invitations.accept(BIG, f"usr_{OTHER}", **own)],
        "people.sign_up": [
            lambda: s.people.sign_up(
                **identity, name="n", email=None, plan="pro", address=None, at=NOW
            )
        ],
        "people.add_to_workspace": [
            lambda: s.people.add_to_workspace(BIG, **identity, **own, role="admin")
        ],
        "people.rehome": [lambda: _rehome(s)],
        "people.refresh": [lambda: s.people.refresh("i", BIG, name="n", email=None)],
        "people.add": [
            lambda: s.people.add(issuer="i", subject="late", name="n", email=None, home=BIG, at=NOW)
        ],
        "people.suspend": [lambda: s.people.suspend(f"usr_{OTHER}", **own) for _ in range(2)],
        "people.resume": [lambda: s.people.resume(f"usr_{OTHER}", **own) for _ in range(2)],
        "members.add": [lambda: s.members.add(BIG, f"usr_{workspace(9)}", "owner", **own)],
        "members.change_role": [
            lambda: s.members.change_role(BIG, f"usr_{workspace(9)}", "admin", **own)
        ],
        "members.remove": [lambda: s.members.remove(BIG, f"usr_{workspace(9)}", **own)],
        "webhooks.create": [lambda: s.webhooks.create(webhook, actor=ADMIN_COMMAND, host="h")],
        "webhooks.disable": [lambda: s.webhooks.disable("whk", reason="gone", **own)],
        "webhooks.delete": [lambda: s.webhooks.delete(BIG, f"whk_{BIG}_1", **own)],
        "webhooks.workspace_secret": [
            lambda: s.webhooks.workspace_secret(BIG, b"s") for _ in range(2)
        ],
        "webhooks.rotate_workspace_secret": [
            lambda: s.webhooks.rotate_workspace_secret(BIG, b"s", **own)
        ],
        "uploads.create": [lambda: s.uploads.create(upload, limit=None, claim=claim)],
        "uploads.keep": [lambda: s.uploads.keep(f"upl_{BIG}_1", until=LATE)],
        "uploads.forget": [lambda: s.uploads.forget("upl", at=NOW)],
        "sessions.begin": [lambda: s.sessions.begin(session)],
        "sessions.mark_used": [lambda: s.sessions.mark_used("ses", at=NOW)],
        "sessions.end": [lambda: s.sessions.end("ses", person=f"usr_{BIG}")],
        "sessions.end_all": [lambda: s.sessions.end_all(f"usr_{BIG}", but="ses")],
        "snapshots.write": [lambda: s.snapshots.write(snapshot)],
        "stream_leases.take": [lambda: s.stream_leases.take(BIG, "l", limit=2) for _ in range(2)],
        "stream_leases.release": [lambda: s.stream_leases.release(BIG, "l")],
        "workspaces.create": [lambda: s.workspaces.create(new)],
        "workspaces.suspend": [lambda: s.workspaces.suspend("ws_new") for _ in range(2)],
        "workspaces.resume": [lambda: s.workspaces.resume("ws_new") for _ in range(2)],
        "workspaces.ensure": [
            lambda: s.workspaces.ensure(new, actor=ADMIN_COMMAND),
            lambda: s.workspaces.ensure(late, actor=ADMIN_COMMAND),
        ],
        "workspaces.claim": [lambda: s.workspaces.claim(BIG, holder, others=["u2"])],
        "workspaces.release": [lambda: s.workspaces.release(BIG, uid="u1")],
        "workspaces.rename": [lambda: s.workspaces.rename(BIG, "n", actor=ADMIN_COMMAND)],
        "keys.mark_secret_tried": [lambda: s.keys.mark_secret_tried("key")],
        "keys.mark_secret_written": [lambda: s.keys.mark_secret_written("key")],
        "workspaces.set_plan": [lambda: s.workspaces.set_plan(BIG, "business")],
    }


async def _rehome(s: Stores) -> None:
    person = await s.people.get(f"usr_{OTHER}")
    assert person is not None
    await s.people.rehome(person, plan="pro", address=None, at=NOW)


def methods(stores: Stores) -> set[str]:
    """Every method of every store that callers may use."""
    return {
        f"{name}.{method}"
        for name, store in vars(stores).items()
        for method, function in vars(type(store)).items()
        if inspect.isfunction(function) and not method.startswith("_")
    }


async def test_no_query_examines_more_than_it_asks_for(busy: Database, examiner: Examiner) -> None:
    stores = Stores(busy)
    calls = reads(stores) | job_changes(stores) | account_changes(stores)
    assert set(calls) == methods(stores) - READ_EVERYTHING - NO_QUERY
    for caller, variants in calls.items():
        for call in variants:
            with examiner.calling(caller):
                await call()
    assert examiner.errors == []
    assert [query.fault for query in examiner.queries if query.fault] == []
    # What writes alone has no query to explain.
    assert len({query.caller for query in examiner.queries}) > 0.8 * len(calls)


async def test_a_query_without_an_index_is_found(busy: Database, examiner: Examiner) -> None:
    await busy.counters.drop_index("workspace_1__id_-1")
    with examiner.calling("usage.periods"):
        assert len(await Stores(busy).usage.periods(BIG)) == 12
    (query,) = examiner.queries
    assert query.fault is not None
