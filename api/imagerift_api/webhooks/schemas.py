"""What clients may send about webhooks, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Self

from imagerift_core.mongo.deliveries import Delivery, DeliveryState
from imagerift_core.mongo.webhooks import Webhook
from imagerift_core.stored import SHOWN
from imagerift_core.webhooks import ALL_EVENTS, JOB_TARGET, WebhookEvent
from pydantic import BaseModel, Field

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.requests import RequestQuery
from imagerift_api.http.shapes import AnswerBody, Time


class WebhookBody(RequestBody):
    """A new webhook."""

    url: str = Field(min_length=1, max_length=2048, description="An https address.")
    events: list[WebhookEvent] = Field(default_factory=lambda: list(ALL_EVENTS), min_length=1)


class WebhookPath(BaseModel):
    """The path of a webhook."""

    webhook_id: str = Field(alias="webhookId", description="The webhook's id, `whk_…`.")


class DeliveryPath(BaseModel):
    """The path of a delivery."""

    delivery_id: str = Field(alias="deliveryId", description="The message's id, `evt_…`.")


class DeliveryQuery(RequestQuery):
    """The query of the delivery log."""

    webhook_id: str | None = Field(None, max_length=64)
    state: DeliveryState | None = None
    cursor: str | None = Field(None, max_length=128)
    limit: int = Field(20, ge=1, le=100)


class WebhookObject(AnswerBody):
    """An address that hears of the workspace's jobs. `managedBy` is the resource that made it."""

    webhook_id: str
    url: str
    events: list[Annotated[WebhookEvent, SHOWN]]
    created_at: Time
    disabled_at: Time | None
    disabled_reason: str | None
    managed_by: str | None

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        return cls(
            webhook_id=webhook.id,
            url=webhook.url,
            events=webhook.events,
            created_at=webhook.created_at,
            disabled_at=webhook.disabled_at,
            disabled_reason=webhook.disabled_reason,
            managed_by=str(webhook.managed_by) if webhook.managed_by else None,
        )


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
    event: Annotated[WebhookEvent, SHOWN]
    state: Annotated[DeliveryState, SHOWN]
    created_at: Time
    next_try_at: Time | None
    tries: list[TryObject]

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls(
            delivery_id=delivery.id,
            webhook_id=None if delivery.target == JOB_TARGET else delivery.target,
            job_id=delivery.job,
            event=delivery.event,
            state=delivery.state,
            created_at=delivery.created_at,
            next_try_at=delivery.next_at if delivery.state == "pending" else None,
            tries=[
                TryObject(
                    at=item.at, status=item.status, latency_ms=item.latency_ms, error=item.error
                )
                for item in delivery.log
            ],
        )


class DeliveryList(AnswerBody):
    """A page of the delivery log, newest first."""

    data: list[DeliveryObject]
    next_cursor: str | None
