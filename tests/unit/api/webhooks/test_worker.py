"""What a customer's delivery log says of a host that may not be reached."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from imagerift_api.http.egress import Egress
from imagerift_api.webhooks.worker import WebhookWorker
from imagerift_core.mongo.deliveries import Delivery

from tests.unit.api.http.test_egress import CLUSTER, answering, failing

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
    "name_server",
    [
        answering("10.0.0.1"),
        answering("8.8.4.4"),
        answering("169.254.169.254"),
        failing(socket.gaierror(socket.EAI_NONAME, "no")),
        failing(socket.gaierror(socket.EAI_AGAIN, "no")),
    ],
    ids=["private", "cluster", "metadata", "unknown", "in-doubt"],
)
async def test_a_name_inside_and_one_that_does_not_exist_are_told_the_same(
    name_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", name_server)
    egress = Egress(refused_networks=CLUSTER)
    nothing: Any = None
    worker = WebhookWorker(nothing, nothing, nothing, nothing, egress)
    async with worker._client() as http:
        tried = await worker._try(http, DELIVERY, "whsec_" + "A" * 32, b"{}")
    assert (tried.status, tried.error) == (None, "name_not_resolved")
