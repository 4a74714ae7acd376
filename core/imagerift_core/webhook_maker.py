"""The one way in which webhooks come to be, whoever asks: the account page, a key, an
administrator, or a resource of Kubernetes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagerift_core import clock
from imagerift_core.egress import Egress
from imagerift_core.ids import new_webhook_id
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.webhooks import Webhook, WebhookStore
from imagerift_core.webhook_secrets import WebhookSecrets
from imagerift_core.webhooks import WebhookEvent


@dataclass(frozen=True)
class CreatedWebhook:
    """A webhook, and its secret: shown once."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True)
class WebhookOfResource:
    """A webhook that a resource is to have."""

    webhook_id: str
    managed_by: ManagedBy


class WebhookMaker:
    """Makes webhooks, and opens their secrets again, which what is sent is signed with."""

    def __init__(self, webhooks: WebhookStore, secrets: WebhookSecrets, egress: Egress) -> None:
        self._webhooks = webhooks
        self._secrets = secrets
        self._egress = egress

    async def create(
        self,
        workspace: str,
        url: str,
        events: Sequence[WebhookEvent],
        *,
        actor: Actor,
        of: WebhookOfResource | None = None,
    ) -> CreatedWebhook:
        """Raises `InvalidRequest` for an address that nothing may be sent to, and where the
        workspace has as many webhooks as it may have."""
        vetted = await self._egress.check(url, param="url", workspace=workspace)
        secret = self._secrets.make()
        webhook_id = of.webhook_id if of else new_webhook_id()
        webhook = Webhook(
            _id=webhook_id,
            workspace=workspace,
            url=url,
            events=list(dict.fromkeys(events)),
            secret=self._secrets.seal(secret, webhook_id),
            created_at=clock.now(),
            managed_by=of.managed_by if of else None,
        )
        await self._webhooks.create(webhook, actor=actor, host=vetted.host or "")
        return CreatedWebhook(webhook, secret)

    def secret_of(self, webhook: Webhook) -> str:
        """Raises `SealBroken`."""
        return self._secrets.open(webhook.secret, webhook.id)
