"""Webhooks of a workspace: made, deleted, looked at and replayed."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from imagerift_core import clock
from imagerift_core.mongo.account_log import AccountLogStore, Actor, LogEntry
from imagerift_core.mongo.deliveries import Delivery, DeliveryStore
from imagerift_core.mongo.webhooks import Webhook, WebhookStore
from imagerift_core.webhook_maker import CreatedWebhook, WebhookMaker
from imagerift_core.webhook_secrets import WebhookSecrets

from imagerift_api.http.cursors import decode_cursor, encode_cursor
from imagerift_api.webhooks.schemas import DeliveryQuery, WebhookBody


@dataclass(frozen=True)
class DeliveryPage:
    deliveries: list[Delivery]
    next_cursor: str | None


class Webhooks:
    def __init__(
        self,
        webhooks: WebhookStore,
        deliveries: DeliveryStore,
        account_log: AccountLogStore,
        secrets: WebhookSecrets,
        maker: WebhookMaker,
    ) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._account_log = account_log
        self._secrets = secrets
        self._maker = maker

    async def create(self, workspace: str, body: WebhookBody, *, actor: Actor) -> CreatedWebhook:
        """Raises `InvalidRequest` for an address that nothing may be sent to."""
        return await self._maker.create(workspace, body.url, body.events, actor=actor)

    async def all_of(self, workspace: str) -> list[Webhook]:
        return await self._webhooks.all_of(workspace)

    async def delete(self, workspace: str, webhook_id: str, *, actor: Actor) -> None:
        """Raises `WebhookNotFound`."""
        await self._webhooks.delete(workspace, webhook_id, actor=actor, at=clock.now())

    async def job_secret(self, workspace: str) -> str:
        """The secret that signs what goes to the `webhookUrl` of jobs."""
        fresh = self._secrets.seal(self._secrets.make(), workspace)
        sealed = await self._webhooks.workspace_secret(workspace, fresh)
        return self._secrets.open(sealed, workspace)

    async def rotate_job_secret(self, workspace: str, *, actor: Actor) -> str:
        """The new one; what is sent from now on is signed with it."""
        secret = self._secrets.make()
        await self._webhooks.rotate_workspace_secret(
            workspace,
            self._secrets.seal(secret, workspace),
            actor=actor,
            at=clock.now(),
        )
        return secret

    async def deliveries(self, workspace: str, query: DeliveryQuery) -> DeliveryPage:
        """Newest first. Raises `InvalidRequest` for a cursor not of ours."""
        before = decode_cursor(query.cursor) if query.cursor else None
        found = await self._deliveries.page(
            workspace,
            webhook=query.webhook_id,
            state=query.state,
            before=before,
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        more = len(found) > query.limit
        cursor = encode_cursor(shown[-1].created_at, shown[-1].id) if more else None
        return DeliveryPage(shown, cursor)

    async def replay(self, workspace: str, delivery_id: str, *, actor: Actor) -> Delivery:
        """Raises `DeliveryNotFound`."""
        at = clock.now()
        replayed = await self._deliveries.replay(workspace, delivery_id, at=at)
        entry = LogEntry(
            workspace=workspace, actor=actor, action="webhook.replayed", at=at, target=delivery_id
        )
        await self._account_log.append(entry)
        return replayed


WEBHOOKS = web.AppKey("webhooks", Webhooks)
