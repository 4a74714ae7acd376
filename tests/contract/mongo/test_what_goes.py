"""Nothing stays that nobody deletes: rows go by a rule, or are kept for a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from imagerift_core.jobs import Status
from imagerift_core.mongo import Database, Stores
from imagerift_core.mongo.account_log import ADMIN_COMMAND
from imagerift_core.mongo.deliveries import Try
from imagerift_core.mongo.idempotency import AcceptedKey, KeyClaim
from imagerift_core.mongo.indexes import INDEXES
from imagerift_core.mongo.invitations import Invitation
from imagerift_core.mongo.members import Member
from imagerift_core.mongo.migrations import Migrations
from imagerift_core.mongo.sessions import AccountSession
from imagerift_core.mongo.uploads import Upload
from imagerift_core.mongo.webhooks import Webhook
from motor.motor_asyncio import AsyncIOMotorCollection

from tests.support import job_states
from tests.support.job_records import WORKSPACE

# By a sweep, or with the last row of those that they are about.
WITH_THEIR_JOBS = {"jobs", "batches"}
BY_A_SWEEP = {"uploads"}
# What was charged, who may do what and who did it; one row a shard.
KEPT = {
    "account_log",
    "administrators",
    "api_keys",
    "catalogue",
    "ledger",
    "members",
    "people",
    "quota_counters",
    "scheduler_snapshots",
    "schema",
    "upload_bytes",
    "webhook_secrets",
    "webhooks",
    "workspaces",
}
LATE = datetime(2126, 1, 1, tzinfo=UTC)


def timed() -> dict[str, str]:
    """The collections whose rows MongoDB deletes, and the field that says when."""
    return {
        name: next(iter(index.document["key"]))
        for name, indexes in INDEXES.items()
        for index in indexes
        if "expireAfterSeconds" in index.document
    }


async def test_each_collection_has_one_rule(database: Database) -> None:
    names = {
        member.name
        for member in vars(database).values()
        if isinstance(member, AsyncIOMotorCollection)
    }
    rules = [WITH_THEIR_JOBS, BY_A_SWEEP, KEPT, set(timed())]
    assert sum(map(len, rules)) == len(names)
    assert set().union(*rules) == names


async def test_every_row_that_goes_by_itself_says_when(database: Database) -> None:
    stores = Stores(database)
    workspace = WORKSPACE
    member = Member(workspace=workspace, person="usr", role="owner", added_at=LATE)
    await database.members.insert_one(member.model_dump() | {"_id": f"{workspace}:usr"})
    invitation = Invitation(
        _id="inv",
        workspace=workspace,
        role="member",
        token_hash="t",
        invited_by="usr",
        created_at=LATE,
        expires_at=LATE,
    )
    await stores.invitations.create(invitation, actor=ADMIN_COMMAND)
    session = AccountSession(
        _id="ses", person="usr", created_at=LATE, expires_at=LATE, last_used_at=LATE
    )
    await stores.sessions.begin(session)
    await stores.rate_windows.count(workspace, limit=1, at=LATE)
    await stores.stream_leases.take(workspace, "lease", limit=1)
    await Migrations(database).say_it_is_there("api-1", "api", LATE)
    upload = Upload(
        _id="upl",
        workspace=workspace,
        namespace="imagerift",
        key="k",
        content_type="image/png",
        size_bytes=1,
        created_at=LATE,
        expires_at=LATE,
    )
    key = AcceptedKey(_id="key", fingerprint="f", result="r", expires_at=LATE)
    await stores.uploads.create(
        upload, limit=None, claim=KeyClaim(key, at=LATE - timedelta(days=1))
    )
    told = [
        await job_states.in_status(
            database, Status.FAILED, at=LATE, webhook_url=f"https://r{n}.example/"
        )
        for n in range(3)
    ]
    assert await stores.jobs.forget(told[0].id, at=LATE)
    leased = await stores.delivery_queue.lease(holder="w", at=LATE + timedelta(minutes=1), limit=2)
    for delivery, status in zip(leased.deliveries, (None, 200), strict=True):
        result = Try(at=LATE, status=status, latency_ms=1, error=None if status else "timeout")
        await stores.delivery_queue.record_try(
            delivery,
            result,
            state="delivered" if status else "pending",
            next_at=None if status else LATE,
        )
    await stores.deliveries.replay(workspace, leased.deliveries[1].id, at=LATE)

    for name, field in timed().items():
        rows = [row async for row in database.jobs.database[name].find()]
        assert rows, name
        assert all(isinstance(row[field], datetime) for row in rows), name


async def test_with_a_webhook_its_deliveries_go(database: Database) -> None:
    stores, at = Stores(database), LATE
    for name in ("gone", "stays"):
        webhook = Webhook(
            _id=name,
            workspace=WORKSPACE,
            url=f"https://{name}.example/",
            events=["job.failed"],
            secret=b"s",
            created_at=at,
        )
        await stores.webhooks.create(webhook, actor=ADMIN_COMMAND, host=name)
    await job_states.in_status(database, Status.FAILED, at=at)
    assert await database.deliveries.count_documents({}) == 2
    await stores.webhooks.delete(WORKSPACE, "gone", actor=ADMIN_COMMAND, at=at)
    assert [row["target"] async for row in database.deliveries.find()] == ["stays"]
