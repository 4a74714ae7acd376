"""What a customer's delivery log says of a host that may not be reached."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from imagerift_api.metrics import Metrics
from imagerift_api.webhooks.worker import WebhookWorker
from imagerift_core.egress import Egress
from imagerift_core.mongo.deliveries import Delivery

from tests.support.name_server import FAILING, NameServer
from tests.unit.core.test_egress import CLUSTER

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DELIVERY = Delivery(
    _id="evt_1",
    workspace="ws_1",
    job="0b7c2f0e-0000-4000-8000-000000000001",
    event="job.succeeded",
    target="whk_1",
    url="https://hook.example/",
    created_at=AT,
    next_at=AT,
)


@pytest.mark.parametrize(
    "answers",
    [["10.0.0.1"], ["8.8.4.4"], ["169.254.169.254"], None, [FAILING]],
    ids=["private", "cluster", "metadata", "unknown", "in-doubt"],
)
async def test_a_name_inside_and_one_that_does_not_exist_are_told_the_same(
    answers: list[str] | None, names: NameServer
) -> None:
    if answers is not None:
        names.says("hook.example.", *answers)
    metrics = Metrics()
    nothing: Any = None
    egress = Egress(refused_networks=CLUSTER)
    worker = WebhookWorker(
        queue=nothing,
        webhooks=nothing,
        jobs=nothing,
        webhook_secrets=nothing,
        egress=egress,
        metrics=metrics,
    )
    async with worker._client() as http:
        tried = await worker._try(http, DELIVERY, "whsec_" + "A" * 32, b"{}")
    metrics.close()
    assert (tried.status, tried.error) == (None, "name_not_resolved")
