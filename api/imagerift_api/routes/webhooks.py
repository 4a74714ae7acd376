"""/api/v1/webhooks: addresses, secrets, the delivery log and replays."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.api_keys import Scope
from imagerift_core.clock import rfc3339
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.deliveries import Delivery, DeliveryState
from imagerift_core.mongo.webhooks import Webhook
from imagerift_core.webhooks import JOB_TARGET, WebhookEvent
from typing_extensions import TypedDict

from imagerift_api.openapi.calls import Call
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, closed
from imagerift_api.routes.private_answers import no_content, private_answer
from imagerift_api.webhook_requests import DeliveryPath, DeliveryQuery, WebhookBody, WebhookPath

_PATH = "/api/v1/webhooks"
_SCOPE: Scope = "webhooks:manage"


@closed
class WebhookObject(TypedDict):
    """An address that hears of the workspace's jobs."""

    webhookId: str
    url: str
    events: list[WebhookEvent]
    createdAt: Time
    disabledAt: Time | None
    disabledReason: str | None


@closed
class NewWebhookObject(TypedDict):
    """A webhook with its secret, which is shown this once."""

    webhook: WebhookObject
    secret: str


@closed
class WebhookList(TypedDict):
    """The workspace's webhooks, oldest first."""

    data: list[WebhookObject]


@closed
class SecretObject(TypedDict):
    """The secret that signs what goes to the `webhookUrl` of jobs."""

    secret: str


@closed
class TryObject(TypedDict):
    """One try: the status of the answer, or why there was none."""

    at: Time
    status: int | None
    latencyMs: int
    error: str | None


@closed
class DeliveryObject(TypedDict):
    """A message to one address. `webhookId` is null where the job named the address itself."""

    deliveryId: str
    webhookId: str | None
    jobId: str
    event: WebhookEvent
    state: DeliveryState
    createdAt: Time
    nextTryAt: Time | None
    tries: list[TryObject]


@closed
class DeliveryList(TypedDict):
    """A page of the delivery log, newest first."""

    data: list[DeliveryObject]
    nextCursor: str | None


async def list_webhooks(call: Call) -> web.Response:
    found = await call.context.webhooks.all_of(call.caller.workspace)
    answer: WebhookList = {"data": [_webhook(webhook) for webhook in found]}
    return private_answer(answer)


async def create_webhook(call: Call, body: WebhookBody) -> web.Response:
    created = await call.context.webhooks.create(call.caller.workspace, body, actor=_actor(call))
    answer: NewWebhookObject = {"webhook": _webhook(created.webhook), "secret": created.secret}
    return private_answer(answer, status=201)


async def delete_webhook(call: Call, path: WebhookPath) -> web.Response:
    await call.context.webhooks.delete(call.caller.workspace, path.webhook_id, actor=_actor(call))
    return no_content()


async def get_secret(call: Call) -> web.Response:
    secret = await call.context.webhooks.job_secret(call.caller.workspace)
    answer: SecretObject = {"secret": secret}
    return private_answer(answer)


async def rotate_secret(call: Call) -> web.Response:
    secret = await call.context.webhooks.rotate_job_secret(
        call.caller.workspace, actor=_actor(call)
    )
    answer: SecretObject = {"secret": secret}
    return private_answer(answer)


async def list_deliveries(call: Call, query: DeliveryQuery) -> web.Response:
    page = await call.context.webhooks.deliveries(call.caller.workspace, query)
    answer: DeliveryList = {
        "data": [_delivery(delivery) for delivery in page.deliveries],
        "nextCursor": page.next_cursor,
    }
    return private_answer(answer)


async def replay(call: Call, path: DeliveryPath) -> web.Response:
    replayed = await call.context.webhooks.replay(
        call.caller.workspace, path.delivery_id, actor=_actor(call)
    )
    return private_answer(_delivery(replayed), status=202)


def _actor(call: Call) -> Actor:
    caller, address = call.caller, call.context.sessions.address_of(call.request)
    if caller.person is not None:
        return Actor(kind="person", id=caller.person, name=caller.name, address=address)
    return Actor(kind="key", id=caller.key_id or "", name=caller.name, address=address)


def _webhook(webhook: Webhook) -> WebhookObject:
    return {
        "webhookId": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "createdAt": rfc3339(webhook.created_at),
        "disabledAt": rfc3339(webhook.disabled_at) if webhook.disabled_at else None,
        "disabledReason": webhook.disabled_reason,
    }


def _delivery(delivery: Delivery) -> DeliveryObject:
    waiting = delivery.state == "pending" and delivery.next_at is not None
    return {
        "deliveryId": delivery.id,
        "webhookId": None if delivery.target == JOB_TARGET else delivery.target,
        "jobId": delivery.job,
        "event": delivery.event,
        "state": delivery.state,
        "createdAt": rfc3339(delivery.created_at),
        "nextTryAt": rfc3339(delivery.next_at) if waiting and delivery.next_at else None,
        "tries": [
            {
                "at": rfc3339(item.at),
                "status": item.status,
                "latencyMs": item.latency_ms,
                "error": item.error,
            }
            for item in delivery.log
        ],
    }


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
        replies={204: Reply("Deleted.")},
        errors=("webhook_not_found",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
