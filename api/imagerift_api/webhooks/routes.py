"""/api/v1/webhooks: addresses, secrets, the delivery log and replays."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.api_keys import Scope
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.deliveries import Delivery, DeliveryState
from imagerift_core.mongo.webhooks import Webhook
from imagerift_core.webhooks import JOB_TARGET, WebhookEvent

from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation, add_operations
from imagerift_api.http.shapes import AnswerBody, Time
from imagerift_api.webhooks.schemas import DeliveryPath, DeliveryQuery, WebhookBody, WebhookPath

_PATH = "/api/v1/webhooks"
_SCOPE: Scope = "webhooks:manage"


class WebhookObject(AnswerBody):
    """An address that hears of the workspace's jobs."""

    webhook_id: str
    url: str
    events: list[WebhookEvent]
    created_at: Time
    disabled_at: Time | None
    disabled_reason: str | None


class NewWebhookObject(AnswerBody):
    """A webhook with its secret, which is shown this once."""

    webhook: WebhookObject
    secret: str


class WebhookList(AnswerBody):
    """The workspace's webhooks, oldest first."""

    data: list[WebhookObject]


class SecretObject(AnswerBody):
    """The secret that signs what goes to the `webhookUrl` of jobs."""

    secret: str


class TryObject(AnswerBody):
    """One try: the status of the answer, or why there was none."""

    at: Time
    status: int | None
    latency_ms: int
    error: str | None


class DeliveryObject(AnswerBody):
    """A message to one address. `webhookId` is null where the job named the address itself."""

    delivery_id: str
    webhook_id: str | None
    job_id: str
    event: WebhookEvent
    state: DeliveryState
    created_at: Time
    next_try_at: Time | None
    tries: list[TryObject]


class DeliveryList(AnswerBody):
    """A page of the delivery log, newest first."""

    data: list[DeliveryObject]
    next_cursor: str | None


async def list_webhooks(call: Call) -> WebhookList:
    found = await call.context.webhooks.all_of(call.caller.workspace)
    return WebhookList(data=[_webhook(webhook) for webhook in found])


async def create_webhook(call: Call, body: WebhookBody) -> NewWebhookObject:
    webhooks = call.context.webhooks
    created = await webhooks.create(call.caller.workspace, body, actor=_actor(call))
    return NewWebhookObject(webhook=_webhook(created.webhook), secret=created.secret)


async def delete_webhook(call: Call, path: WebhookPath) -> None:
    webhooks = call.context.webhooks
    await webhooks.delete(call.caller.workspace, path.webhook_id, actor=_actor(call))


async def get_secret(call: Call) -> SecretObject:
    return SecretObject(secret=await call.context.webhooks.job_secret(call.caller.workspace))


async def rotate_secret(call: Call) -> SecretObject:
    webhooks = call.context.webhooks
    secret = await webhooks.rotate_job_secret(call.caller.workspace, actor=_actor(call))
    return SecretObject(secret=secret)


async def list_deliveries(call: Call, query: DeliveryQuery) -> DeliveryList:
    page = await call.context.webhooks.deliveries(call.caller.workspace, query)
    return DeliveryList(
        data=[_delivery(delivery) for delivery in page.deliveries], next_cursor=page.next_cursor
    )


async def replay(call: Call, path: DeliveryPath) -> DeliveryObject:
    webhooks = call.context.webhooks
    return _delivery(
        await webhooks.replay(call.caller.workspace, path.delivery_id, actor=_actor(call))
    )


def _actor(call: Call) -> Actor:
    caller, address = call.caller, call.context.sessions.address_of(call.request)
    if caller.person is not None:
        return Actor(kind="person", id=caller.person, name=caller.name, address=address)
    return Actor(kind="key", id=caller.key_id or "", name=caller.name, address=address)


def _webhook(webhook: Webhook) -> WebhookObject:
    return WebhookObject(
        webhook_id=webhook.id,
        url=webhook.url,
        events=webhook.events,
        created_at=webhook.created_at,
        disabled_at=webhook.disabled_at,
        disabled_reason=webhook.disabled_reason,
    )


def _delivery(delivery: Delivery) -> DeliveryObject:
    return DeliveryObject(
        delivery_id=delivery.id,
        webhook_id=None if delivery.target == JOB_TARGET else delivery.target,
        job_id=delivery.job,
        event=delivery.event,
        state=delivery.state,
        created_at=delivery.created_at,
        next_try_at=delivery.next_at if delivery.state == "pending" else None,
        tries=[
            TryObject(at=item.at, status=item.status, latency_ms=item.latency_ms, error=item.error)
            for item in delivery.log
        ],
    )


OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        handler=list_webhooks,
        name="listWebhooks",
        tag="Webhooks",
        summary="List webhooks",
        access="either",
        scope=_SCOPE,
        private=True,
        replies={200: Reply("The webhooks.", WebhookList)},
    ),
    Operation(
        method="POST",
        path=_PATH,
        handler=create_webhook,
        name="createWebhook",
        tag="Webhooks",
        summary="Create a webhook",
        access="either",
        scope=_SCOPE,
        private=True,
        replies={201: Reply("The webhook and its secret, shown this once.", NewWebhookObject)},
    ),
    Operation(
        method="GET",
        path=_PATH + "/secret",
        handler=get_secret,
        name="getWebhookSecret",
        tag="Webhooks",
        summary="The secret that signs what goes to the webhookUrl of jobs",
        access="either",
        scope=_SCOPE,
        private=True,
        replies={200: Reply("The secret.", SecretObject)},
    ),
    Operation(
        method="POST",
        path=_PATH + "/secret/rotate",
        handler=rotate_secret,
        name="rotateWebhookSecret",
        tag="Webhooks",
        summary="Make a new secret for the webhookUrl of jobs",
        access="either",
        scope=_SCOPE,
        private=True,
        replies={200: Reply("The new secret.", SecretObject)},
    ),
    Operation(
        method="GET",
        path=_PATH + "/deliveries",
        handler=list_deliveries,
        name="listDeliveries",
        tag="Webhooks",
        summary="The delivery log: status and latency of each try",
        access="either",
        scope=_SCOPE,
        private=True,
        replies={200: Reply("A page of the log.", DeliveryList)},
    ),
    Operation(
        method="POST",
        path=_PATH + "/deliveries/{delivery_id}/replay",
        handler=replay,
        name="replayDelivery",
        tag="Webhooks",
        summary="Send a message again, under its own id",
        access="either",
        scope=_SCOPE,
        private=True,
        replies={202: Reply("The delivery, waiting to be sent.", DeliveryObject)},
        errors=("delivery_not_found",),
    ),
    Operation(
        method="DELETE",
        path=_PATH + "/{webhook_id:(?!secret$|deliveries$)[^/]+}",
        handler=delete_webhook,
        name="deleteWebhook",
        tag="Webhooks",
        summary="Delete a webhook and what it had still to be sent",
        access="either",
        scope=_SCOPE,
        private=True,
        replies={204: Reply("Deleted.")},
        errors=("webhook_not_found",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
