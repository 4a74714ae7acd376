"""/api/v1/webhooks: addresses, secrets, the delivery log and replays."""

from __future__ import annotations

from imagerift_core.api_keys import Scope

from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.webhooks.schemas import (
    DeliveryList,
    DeliveryObject,
    DeliveryPath,
    DeliveryQuery,
    NewWebhookObject,
    SecretObject,
    WebhookBody,
    WebhookList,
    WebhookObject,
    WebhookPath,
)
from imagerift_api.webhooks.service import WEBHOOKS

_PATH = "/api/v1/webhooks"
_SCOPE: Scope = "webhooks:manage"


async def list_webhooks(call: Call) -> WebhookList:
    found = await call.app[WEBHOOKS].all_of(call.caller.workspace)
    return WebhookList(data=[WebhookObject.of(webhook) for webhook in found])


async def create_webhook(call: Call, body: WebhookBody) -> NewWebhookObject:
    created = await call.app[WEBHOOKS].create(call.caller.workspace, body, actor=call.actor)
    return NewWebhookObject(webhook=WebhookObject.of(created.webhook), secret=created.secret)


async def delete_webhook(call: Call, path: WebhookPath) -> None:
    workspace = call.caller.workspace
    await call.app[WEBHOOKS].delete(workspace, path.webhook_id, actor=call.actor)


async def get_secret(call: Call) -> SecretObject:
    return SecretObject(secret=await call.app[WEBHOOKS].job_secret(call.caller.workspace))


async def rotate_secret(call: Call) -> SecretObject:
    webhooks, workspace = call.app[WEBHOOKS], call.caller.workspace
    return SecretObject(secret=await webhooks.rotate_job_secret(workspace, actor=call.actor))


async def list_deliveries(call: Call, query: DeliveryQuery) -> DeliveryList:
    page = await call.app[WEBHOOKS].deliveries(call.caller.workspace, query)
    return DeliveryList(
        data=[DeliveryObject.of(delivery) for delivery in page.deliveries],
        next_cursor=page.next_cursor,
    )


async def replay(call: Call, path: DeliveryPath) -> DeliveryObject:
    webhooks, workspace = call.app[WEBHOOKS], call.caller.workspace
    return DeliveryObject.of(await webhooks.replay(workspace, path.delivery_id, actor=call.actor))


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
