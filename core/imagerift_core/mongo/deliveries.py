"""The outbox of webhooks: rows written in the transaction that ends a job.

A row is a delivery to one target. It names the job and holds no part of it; what is sent is made
from the record when it is sent. Its log keeps status and latency of each try, never a body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.errors import DeliveryNotFound
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.places import after_place
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import KEPT, all_readable, read
from imagerift_core.webhooks import (
    GIVEN_UP_AFTER,
    JOB_TARGET,
    MAX_WAITING,
    WebhookEvent,
    delivery_id,
    event_of,
    lane_of,
)

DeliveryState = Literal["pending", "delivered", "failed"]
# From when it was made, replayed or last tried: far longer than it is tried.
KEPT_DAYS = 30
# A backlog is counted up to here, of each state: a figure must cost no more than it is worth.
MOST_COUNTED = 100_000


class Try(BaseModel):
    """One try: the HTTP status, or the kind of trouble where no answer came."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    status: int | None
    latency_ms: int
    error: str | None = None


class Delivery(BaseModel):
    """A message to one target. `tries` counts since it was made or last replayed.

    `lane` is the workspace's way to one host, `give_up_at` when no further try is planned. A row
    has `ready` too while it waits: true where it is due, false until `next_at`; and `slots` while
    it is leased. See `delivery_queue`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    job: str
    event: Annotated[WebhookEvent, KEPT]
    target: str
    url: str
    state: Annotated[DeliveryState, KEPT] = "pending"
    tries: int = 0
    log: list[Try] = Field(default_factory=list)
    created_at: datetime
    next_at: datetime | None
    leased_until: datetime | None = None
    lease: str | None = None
    expires_at: datetime | None = None
    lane: str | None = None
    give_up_at: datetime | None = None


@dataclass(frozen=True)
class Backlog:
    """What of all workspaces is neither delivered nor given up, each counted up to `MOST_COUNTED`.

    `due` may be tried now, `trying` is under way, `later` waits for its next try or for its host to
    answer. `due_since` is when what is due the longest became so, None where nothing is due.
    """

    due: int
    trying: int
    later: int
    due_since: datetime | None


async def add(
    database: Database, session: Session, ended: Sequence[JobRecord], *, at: datetime
) -> None:
    """Writes what is to be told of these ends; part of the transaction that writes them.

    What a workspace has waiting beyond `MAX_WAITING` is written as failed: seen in the log, and
    sent where it is replayed.
    """
    if not ended:
        return
    cursor = database.webhooks.find(
        {"workspace": {"$in": sorted({r.workspace for r in ended})}, "disabled_at": None},
        {"workspace": 1, "url": 1, "events": 1},
        session=session,
    )
    webhooks = [document async for document in cursor]
    deliveries = [row for record in ended for row in _deliveries(record, webhooks, at)]
    room = {
        workspace: MAX_WAITING
        - await database.deliveries.count_documents(
            {"workspace": workspace, "state": "pending"}, limit=MAX_WAITING, session=session
        )
        for workspace in {delivery.workspace for delivery in deliveries}
    }
    rows = []
    for delivery in deliveries:
        room[delivery.workspace] -= 1
        has_room = room[delivery.workspace] >= 0
        rows.append(_waiting(delivery) if has_room else _refused(delivery, at))
    if rows:
        await database.deliveries.insert_many(rows, session=session)


def _waiting(delivery: Delivery) -> dict[str, Any]:
    kept = {"expires_at": delivery.created_at + timedelta(days=KEPT_DAYS)}
    return delivery.model_dump(by_alias=True, exclude_none=True) | kept | {"ready": True}


def _refused(delivery: Delivery, at: datetime) -> dict[str, Any]:
    refusal = Try(at=at, status=None, latency_ms=0, error="too_many_waiting")
    changes = {
        "state": "failed",
        "next_at": None,
        "log": [refusal],
        "expires_at": at + timedelta(days=KEPT_DAYS),
    }
    return delivery.model_copy(update=changes).model_dump(by_alias=True)


def _deliveries(
    record: JobRecord, webhooks: Sequence[dict[str, Any]], at: datetime
) -> list[Delivery]:
    event = event_of(record)
    targets = [
        (webhook["_id"], webhook["url"])
        for webhook in webhooks
        if webhook["workspace"] == record.workspace
        and "url" in webhook
        and event in webhook.get("events", ())
    ]
    if record.webhook_url is not None:
        targets.append((JOB_TARGET, record.webhook_url))
    return [
        Delivery(
            _id=delivery_id(record.id, target),
            workspace=record.workspace,
            job=record.id,
            event=event,
            target=target,
            url=url,
            created_at=at,
            next_at=at,
            lane=lane_of(record.workspace, url),
            give_up_at=at + GIVEN_UP_AFTER,
        )
        for target, url in targets
    ]


class DeliveryStore(Store):
    """The outbox, for whoever looks at what it holds."""

    async def page(
        self,
        workspace: str,
        *,
        webhook: str | None,
        state: DeliveryState | None,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Delivery]:
        """Up to `limit` deliveries of the workspace, newest first, after the place `before`."""
        query: dict[str, Any] = {"workspace": workspace}
        if webhook is not None:
            query["target"] = webhook
        if state is not None:
            query["state"] = state
        if before is not None:
            query |= after_place(before, field="created_at")
        cursor = (
            self._database.deliveries.find(query)
            .sort([("created_at", -1), ("_id", -1)])
            .limit(limit)
        )
        return await all_readable(Delivery, cursor)

    async def backlog(self, *, at: datetime) -> Backlog:
        """What there is to deliver. Rows count as due by their time, whether or not a worker has
        looked at them since."""
        rows = self._database.deliveries
        ready: dict[str, Any] = {"ready": True}
        overdue: dict[str, Any] = {"ready": False, "next_at": {"$lte": at}}
        counts = [
            await rows.count_documents(query, limit=MOST_COUNTED)
            for query in (
                *(ready, overdue),
                *({"leased_until": {"$gt": at}}, {"ready": False, "next_at": {"$gt": at}}),
            )
        ]
        first = [
            await rows.find_one(query, {"_id": 0, "next_at": 1}, sort=[("next_at", 1)])
            for query in (ready, overdue)
        ]
        due = counts[0] + counts[1]
        since = [row["next_at"] for row in first if row is not None]
        return Backlog(min(due, MOST_COUNTED), counts[2], counts[3], min(since, default=None))

    async def replay(self, workspace: str, identifier: str, *, at: datetime) -> Delivery:
        """Sends the message again, under its own id and with all its tries. One that is being tried
        stays with whoever tries it. Raises `DeliveryNotFound`."""
        document = await self._database.deliveries.find_one_and_update(
            {"_id": identifier, "workspace": workspace},
            {
                "$set": {
                    "state": "pending",
                    "ready": True,
                    "tries": 0,
                    "next_at": at,
                    "give_up_at": at + GIVEN_UP_AFTER,
                    "expires_at": at + timedelta(days=KEPT_DAYS),
                }
            },
            return_document=True,
        )
        if document is None:
            raise DeliveryNotFound("There is no such delivery.")
        return read(Delivery, document)
