"""Webhooks of workspaces, and the secrets that sign what is sent to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import DuplicateKeyError

from imagerift_core.errors import InvalidRequest, WebhookNotFound
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import Actor, LogEntry, Logged, logged
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import KEPT, all_readable, read
from imagerift_core.webhooks import WebhookEvent

MAX_WEBHOOKS = 20


class Webhook(BaseModel):
    """An address that hears of a workspace's jobs. `secret` is sealed.

    `managed_by` is the resource whose webhook it is; `secret_tried` says that its Secret may be
    there, `secret_written` that it is.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    url: str
    events: list[Annotated[WebhookEvent, KEPT]]
    secret: bytes
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    managed_by: ManagedBy | None = None
    secret_tried: bool = False
    secret_written: bool = False


class WebhookStore(Store):
    """Webhooks, and the secrets that sign what goes to the `webhookUrl` of jobs."""

    async def create(self, webhook: Webhook, *, actor: Actor, host: str) -> None:
        """Raises `InvalidRequest` where the workspace has as many as it may have."""

        async def body(session: Session) -> Logged[None]:
            # The write makes two creations of one workspace take turns, so that the count holds.
            await self._database.workspaces.update_one(
                {"_id": webhook.workspace}, {"$inc": {"webhook_changes": 1}}, session=session
            )
            count = await self._database.webhooks.count_documents(
                {"workspace": webhook.workspace}, session=session
            )
            if count >= MAX_WEBHOOKS:
                raise InvalidRequest(
                    f"A workspace has at most {MAX_WEBHOOKS} webhooks.", param="url"
                )
            await self._database.webhooks.insert_one(
                webhook.model_dump(by_alias=True), session=session
            )
            return None, LogEntry(
                workspace=webhook.workspace,
                actor=actor,
                action="webhook.created",
                at=webhook.created_at,
                target=webhook.id,
                details={"host": host, "events": " ".join(webhook.events)},
            )

        await logged(self._database, body)

    async def all_of(self, workspace: str) -> list[Webhook]:
        cursor = self._database.webhooks.find({"workspace": workspace}).sort(
            [("created_at", 1), ("_id", 1)]
        )
        return await all_readable(Webhook, cursor)

    async def get(self, webhook_id: str) -> Webhook | None:
        document = await self._database.webhooks.find_one({"_id": webhook_id})
        return read(Webhook, document) if document else None

    async def mark_secret_tried(self, webhook_id: str) -> None:
        """Notes that the Secret of a managed webhook is about to be made."""
        tried = {"secret_tried": True}
        await self._database.webhooks.update_one({"_id": webhook_id}, {"$set": tried})

    async def mark_secret_written(self, webhook_id: str) -> None:
        """Notes that the Secret of a managed webhook is there."""
        written = {"secret_written": True}
        await self._database.webhooks.update_one({"_id": webhook_id}, {"$set": written})

    async def delete(
        self, workspace: str | None, webhook_id: str, *, actor: Actor, at: datetime
    ) -> None:
        """Deletes the webhook, of `workspace` unless None, and what it had still to be sent.

        Raises `WebhookNotFound`.
        """
        query = {"_id": webhook_id} | ({} if workspace is None else {"workspace": workspace})

        async def body(session: Session) -> Logged[None]:
            gone = await self._database.webhooks.find_one_and_delete(query, session=session)
            if gone is None:
                raise WebhookNotFound("There is no such webhook.")
            workspace = gone["workspace"]
            await self._database.deliveries.delete_many(
                {"workspace": workspace, "target": webhook_id}, session=session
            )
            return None, LogEntry(
                workspace=workspace,
                actor=actor,
                action="webhook.deleted",
                at=at,
                target=webhook_id,
            )

        await logged(self._database, body)

    async def disable(self, webhook_id: str, *, reason: str, actor: Actor, at: datetime) -> None:
        """Nothing more is sent there. A webhook that is off already, or gone, stays so."""

        async def body(session: Session) -> Logged[None]:
            before = await self._database.webhooks.find_one_and_update(
                {"_id": webhook_id, "disabled_at": None},
                {"$set": {"disabled_at": at, "disabled_reason": reason}},
                session=session,
            )
            if before is None:
                return None, None
            return None, LogEntry(
                workspace=before["workspace"],
                actor=actor,
                action="webhook.disabled",
                at=at,
                target=webhook_id,
                details={"reason": reason},
            )

        await logged(self._database, body)

    async def workspace_secret(self, workspace: str, fresh: bytes) -> bytes:
        """The sealed secret of the workspace; `fresh` becomes it where there is none yet."""
        try:
            await self._database.webhook_secrets.insert_one({"_id": workspace, "secret": fresh})
        except DuplicateKeyError:
            document = await self._database.webhook_secrets.find_one({"_id": workspace})
            if document is not None:
                return bytes(document["secret"])
        return fresh

    async def rotate_workspace_secret(
        self, workspace: str, fresh: bytes, *, actor: Actor, at: datetime
    ) -> None:
        async def body(session: Session) -> Logged[None]:
            await self._database.webhook_secrets.update_one(
                {"_id": workspace}, {"$set": {"secret": fresh}}, upsert=True, session=session
            )
            return None, LogEntry(
                workspace=workspace,
                actor=actor,
                action="webhook.secret_rotated",
                at=at,
            )

        await logged(self._database, body)
