"""What clients may send about webhooks."""

from __future__ import annotations

from imagerift_core.mongo.deliveries import DeliveryState
from imagerift_core.webhooks import ALL_EVENTS, WebhookEvent
from pydantic import BaseModel, Field

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.requests import RequestQuery


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
