"""What becomes of a `WebhookEndpoint`: the webhook is made, its secret handed over, and it goes."""

from __future__ import annotations

from contextlib import suppress

from imagerift_core.clock import now, rfc3339
from imagerift_core.errors import WebhookNotFound
from imagerift_core.kube_tenants import TenantCalls
from imagerift_core.mongo.webhooks import Webhook, WebhookStore
from imagerift_core.tenant_resources import SECRET_KEY, WebhookEndpointSpec, webhook_id_of_resource
from imagerift_core.webhook_maker import WebhookMaker, WebhookOfResource
from imagerift_core.webhooks import ALL_EVENTS

from imagerift_operator.tenants.handover import check_name_is_free, hand_over, secret_name
from imagerift_operator.tenants.objects import Body, actor_of, checked_spec, holder_of, uid_of
from imagerift_operator.tenants.status import Outcome, as_applied, drifted, not_ready, ready
from imagerift_operator.tenants.workspaces import WorkspaceKeeper

_KIND = "WebhookEndpoint"


class WebhookKeeper:
    """Keeps webhooks as their resources say. As with keys, what is handed over is written into a
    Secret once; unlike a key's token it stays in the database as well, sealed, to sign with."""

    def __init__(
        self,
        webhooks: WebhookStore,
        maker: WebhookMaker,
        kube: TenantCalls,
        workspaces: WorkspaceKeeper,
    ) -> None:
        self._webhooks = webhooks
        self._maker = maker
        self._kube = kube
        self._workspaces = workspaces

    async def keep(self, body: Body) -> Outcome:
        """Makes the webhook and its Secret where they are not there yet; else says what differs."""
        spec = checked_spec(WebhookEndpointSpec, body)
        webhook = await self._webhooks.get(webhook_id_of_resource(uid_of(body)))
        if webhook is None:
            if (body.get("status") or {}).get("webhookId"):
                return _deleted_elsewhere()
            webhook = await self._made(spec, body)
        if not webhook.secret_written:
            data = {SECRET_KEY: self._maker.secret_of(webhook)}
            await hand_over(self._kube, _KIND, body, data, made=webhook, store=self._webhooks)
        return _outcome(webhook, body, self._differs(webhook, spec))

    async def let_go(self, body: Body) -> Outcome | None:
        """Deletes the webhook of the deleted resource."""
        webhook_id = webhook_id_of_resource(uid_of(body))
        with suppress(WebhookNotFound):
            await self._webhooks.delete(None, webhook_id, actor=actor_of(_KIND, body), at=now())
        return None

    def _differs(self, webhook: Webhook, spec: WebhookEndpointSpec) -> list[str]:
        """Fields by which it was made otherwise, as with keys."""
        is_same = {
            "workspaceRef": not self._workspaces.is_another(
                spec.workspace_ref.name, webhook.workspace
            ),
            "url": webhook.url == spec.url,
            "events": set(webhook.events) == set(spec.events or ALL_EVENTS),
        }
        return [field for field, same in is_same.items() if not same]

    async def _made(self, spec: WebhookEndpointSpec, body: Body) -> Webhook:
        """Raises `WorkspaceNotFound`, `InvalidRequest`, `SecretExists` and others."""
        workspace = await self._workspaces.of_reference(spec.workspace_ref.name)
        await check_name_is_free(self._kube, _KIND, body)
        created = await self._maker.create(
            workspace.id,
            spec.url,
            spec.events or ALL_EVENTS,
            actor=actor_of(_KIND, body),
            of=WebhookOfResource(webhook_id_of_resource(uid_of(body)), holder_of(body)),
        )
        return created.webhook


def _outcome(webhook: Webhook, body: Body, differs: list[str]) -> Outcome:
    status = {
        "webhookId": webhook.id,
        "workspaceId": webhook.workspace,
        "secretName": secret_name(body),
    }
    if differs:
        words = f"It was made with another {', '.join(differs)}; make another WebhookEndpoint."
        return Outcome([not_ready("SpecChanged", words), drifted("SpecChanged", words)], status)
    if webhook.disabled_at is not None:
        words = (
            f"It was turned off at {rfc3339(webhook.disabled_at)} ({webhook.disabled_reason}); "
            "make another WebhookEndpoint."
        )
        return Outcome([not_ready("Disabled", words), as_applied()], status)
    words = f"What messages are signed with was written into the Secret '{secret_name(body)}'."
    return Outcome([ready("SecretWritten", words), as_applied()], status)


def _deleted_elsewhere() -> Outcome:
    words = "The webhook was deleted; make another WebhookEndpoint."
    return Outcome([not_ready("Deleted", words), drifted("Deleted", words)])
