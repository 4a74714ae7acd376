"""The outbox of webhooks: rows written in the transaction that ends a job, leased and tried.

A row is a delivery to one target. It names the job and holds no part of it; what is sent is made
from the record when it is sent. Its log keeps status and latency of each try, never a body.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.errors import DeliveryNotFound
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.webhooks import JOB_TARGET, WebhookEvent, delivery_id, event_of

DeliveryState = Literal["pending", "delivered", "failed"]
LEASE_SECONDS = 60
KEPT_DAYS = 30
_TRIES_SHOWN = 30


class Try(BaseModel):
    """One try: the HTTP status, or the kind of trouble where no answer came."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    status: int | None
    latency_ms: int
    error: str | None = None


class Delivery(BaseModel):
    """A message to one target. `tries` counts since it was made or last replayed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    job: str
    event: WebhookEvent
    target: str
    url: str
    state: DeliveryState = "pending"
    tries: int = 0
    log: list[Try] = Field(default_factory=list)
    created_at: datetime
    next_at: datetime | None
    leased_until: datetime | None = None
    lease: str | None = None
    expires_at: datetime | None = None


async def add(
    database: Database, session: Session, ended: Sequence[JobRecord], *, at: datetime
) -> None:
    """Writes what is to be told of these ends; part of the transaction that writes them."""
    if not ended:
        return
    cursor = database.webhooks.find(
        {"workspace": {"$in": sorted({r.workspace for r in ended})}, "disabled_at": None},
        {"workspace": 1, "url": 1, "events": 1},
        session=session,
    )
    webhooks = [document async for document in cursor]
    rows = [row for record in ended for row in _rows(record, webhooks, at)]
    if rows:
        await database.deliveries.insert_many(rows, session=session)


def _rows(
    record: JobRecord, webhooks: Sequence[dict[str, Any]], at: datetime
) -> list[dict[str, Any]]:
    event = event_of(record)
    targets = [
        (webhook["_id"], webhook["url"])
        for webhook in webhooks
        if webhook["workspace"] == record.workspace and event in webhook["events"]
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
        ).model_dump(by_alias=True)
        for target, url in targets
    ]


class DeliveryStore(Store):
    """The outbox, for whoever sends what it holds and whoever looks at it."""

    async def lease(self, *, holder: str, at: datetime) -> Delivery | None:
        """The delivery that is due the longest, for `holder` alone until the lease ends."""
        document = await self._database.deliveries.find_one_and_update(
            {
                "state": "pending",
                "next_at": {"$lte": at},
                "$or": [{"leased_until": None}, {"leased_until": {"$lt": at}}],
            },
            {"$set": {"leased_until": at + timedelta(seconds=LEASE_SECONDS), "lease": holder}},
            sort=[("next_at", 1)],
            return_document=True,
        )
        return Delivery.model_validate(document) if document else None

    async def note_try(
        self,
        delivery: Delivery,
        result: Try,
        *,
        state: DeliveryState,
        next_at: datetime | None,
    ) -> bool:
        """Writes down how the try went. False where the lease was lost meanwhile."""
        over = state != "pending"
        written = await self._database.deliveries.update_one(
            {"_id": delivery.id, "lease": delivery.lease, "state": "pending"},
            {
                "$set": {
                    "state": state,
                    "next_at": next_at,
                    "lease": None,
                    "leased_until": None,
                    "expires_at": result.at + timedelta(days=KEPT_DAYS) if over else None,
                },
                "$inc": {"tries": 1},
                "$push": {"log": {"$each": [result.model_dump()], "$slice": -_TRIES_SHOWN}},
            },
        )
        return bool(written.matched_count)

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
            moment, identifier = before
            query["$or"] = [
                {"created_at": {"$lt": moment}},
                {"created_at": moment, "_id": {"$lt": identifier}},
            ]
        cursor = (
            self._database.deliveries.find(query)
            .sort([("created_at", -1), ("_id", -1)])
            .limit(limit)
        )
        return [Delivery.model_validate(document) async for document in cursor]

    async def replay(self, workspace: str, identifier: str, *, at: datetime) -> Delivery:
        """Sends the message again, under its own id and with all its tries. One that is being tried
        stays with whoever tries it. Raises `DeliveryNotFound`."""
        document = await self._database.deliveries.find_one_and_update(
            {"_id": identifier, "workspace": workspace},
            {"$set": {"state": "pending", "tries": 0, "next_at": at, "expires_at": None}},
            return_document=True,
        )
        if document is None:
            raise DeliveryNotFound("There is no such delivery.")
        return Delivery.model_validate(document)
