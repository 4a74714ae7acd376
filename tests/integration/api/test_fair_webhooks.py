"""Receivers that are slow, dead or without a name are a matter of the workspace that named them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from imagerift_api.webhooks import backlog, worker
from imagerift_core.webhooks import BREAKS_AFTER, HOST_TRIES_AT_ONCE
from prometheus_client import generate_latest

from tests.integration.api.harness import Api, settings_of
from tests.integration.api.receiver import Receiver
from tests.integration.api.test_webhooks import ended_job, log_of
from tests.support.name_server import NameServer
from tests.support.server_processes import free_port

SLOW_DELIVERIES = 64


@pytest.fixture
async def slow() -> AsyncIterator[Receiver]:
    """Takes every request, and answers none until it is told to."""
    async with Receiver() as running:
        running.hold = asyncio.Event()
        yield running
        running.hold.set()


@pytest.fixture
async def quick() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


@asynccontextmanager
async def replicas(
    environment: dict[str, str], *hosts: str, count: int = 1
) -> AsyncIterator[list[Api]]:
    """Replicas that may reach these hosts, on a database of their own."""
    name = f"{environment['IMAGERIFT_MONGO_DATABASE']}_fair"
    settings = settings_of(environment, webhook_allowed_hosts=",".join(hosts), mongo_database=name)
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(Api(settings)) for _ in range(count)]
        for replica in made:
            await replica.until_ready()
        yield made
        await made[0].database.jobs.database.client.drop_database(name)


async def test_64_slow_deliveries_of_one_workspace_hold_up_nobody_elses(
    environment: dict[str, str],
    slow: Receiver,
    quick: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "TRY_SECONDS", 600)
    async with replicas(environment, slow.host, quick.host) as (site,):
        ada, eve = await site.tenant(), await site.tenant()
        for _ in range(SLOW_DELIVERIES):
            await ended_job(site, ada, webhookUrl=slow.url())
        await slow.until(HOST_TRIES_AT_ONCE)

        job_id = await ended_job(site, eve, webhookUrl=quick.url())
        (heard,) = await quick.until(1, seconds=30)

        assert heard.content["data"]["jobId"] == job_id
        # Not one of the slow ones has its answer, and most have not been sent.
        assert len(slow.got) == HOST_TRIES_AT_ONCE
        # Its own workspace's other hosts go on, too.
        await ended_job(site, ada, webhookUrl=quick.url())
        await quick.until(2, seconds=30)
        # Each that is answered makes room for the next.
        assert slow.hold is not None
        slow.hold.set()
        await slow.until(SLOW_DELIVERIES)


async def test_two_replicas_together_have_no_more_under_way(
    environment: dict[str, str], slow: Receiver, quick: Receiver
) -> None:
    async with replicas(environment, slow.host, quick.host, count=2) as sites:
        site = sites[0]
        ada, eve = await site.tenant(), await site.tenant()
        for _ in range(4 * HOST_TRIES_AT_ONCE):
            await ended_job(site, ada, webhookUrl=slow.url())
        await slow.until(HOST_TRIES_AT_ONCE)
        await ended_job(site, eve, webhookUrl=quick.url())
        await quick.until(1, seconds=30)
        under_way = {"leased_until": {"$ne": None}, "workspace": ada.workspace}
        assert await site.database.deliveries.count_documents(under_way) == HOST_TRIES_AT_ONCE
        assert len(slow.got) == HOST_TRIES_AT_ONCE


@pytest.mark.parametrize("kind", ["tarpit", "refuses", "dead name server"])
async def test_a_host_that_does_not_answer_is_asked_a_few_times_and_the_rest_put_off(
    environment: dict[str, str],
    slow: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    if kind == "tarpit":
        monkeypatch.setattr(worker, "TRY_SECONDS", 0.3)
    monkeypatch.setattr("imagerift_core.host_names._DELIVERY_SECONDS", 0.3)
    monkeypatch.setattr(worker, "pause_after", lambda _tries: timedelta(milliseconds=50))
    async with NameServer() as names:
        names.silent = True
        monkeypatch.setattr("imagerift_core.host_names.system_resolver", names.resolver)
        refusing = f"127.0.0.1:{free_port()}"
        url, error = {
            "tarpit": (slow.url(), "timeout"),
            "refuses": (f"http://{refusing}/", "connection_failed"),
            "dead name server": ("https://hook.example/", "name_not_resolved"),
        }[kind]
        async with replicas(environment, slow.host, refusing) as (site,):
            tenant = await site.tenant()
            for _ in range(20):
                await ended_job(site, tenant, webhookUrl=url)

            rows = await until_put_off(site, 20)
            tries = [item for row in rows for item in row["log"]]

            # Those that were under way when the last straw broke are all that come on top.
            assert BREAKS_AFTER <= len(tries) < BREAKS_AFTER + HOST_TRIES_AT_ONCE
            assert {item["error"] for item in tries} == {error}
            assert {row["state"] for row in rows} == {"pending"}
            shown = await log_of(site, tenant, "pending", 20)
            assert all(entry["nextTryAt"] for entry in shown)
            # Those that were tried are among the 20: their next try was due at once.
            await until_counted(site, "imagerift_api_webhook_deliveries_put_off_total 20.0")
            name = "imagerift_api_webhook_tries_total"
            await until_counted(site, f'{name}{{outcome="{error}"}} {len(tries)}.0')


async def test_the_figures_tell_what_is_due_and_what_is_under_way(
    environment: dict[str, str], slow: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TRY_SECONDS", 600)
    monkeypatch.setattr(backlog, "PAUSE_SECONDS", 0.1)
    async with replicas(environment, slow.host) as (site,):
        tenant = await site.tenant()
        for _ in range(HOST_TRIES_AT_ONCE + 3):
            await ended_job(site, tenant, webhookUrl=slow.url())
        await slow.until(HOST_TRIES_AT_ONCE)

        name = "imagerift_api_webhook_backlog"
        await until_counted(site, f'{name}{{state="trying"}} {HOST_TRIES_AT_ONCE}.0')
        await until_counted(site, f'{name}{{state="due"}} 3.0')
        assert slow.hold is not None
        slow.hold.set()
        await slow.until(HOST_TRIES_AT_ONCE + 3)
        await until_counted(site, f'{name}{{state="due"}} 0.0')
        await until_counted(site, f'{name}{{state="trying"}} 0.0')
        await until_counted(site, "imagerift_api_webhook_oldest_due_seconds 0.0")


async def until_counted(site: Api, line: str) -> None:
    """Returns once a scrape holds `line`."""
    end = time.monotonic() + 30
    while line not in (scraped := generate_latest(site.metrics.registry).decode()):
        assert time.monotonic() < end, scraped
        await asyncio.sleep(0.05)


async def until_put_off(site: Api, count: int) -> list[dict[str, Any]]:
    """The rows, once nothing of them is due within half a minute of the last try."""
    end = time.monotonic() + 100
    while True:
        rows: list[dict[str, Any]] = await site.database.deliveries.find().to_list()
        tries = [item["at"] for row in rows for item in row["log"]]
        soonest = min(row["next_at"] for row in rows)
        if len(rows) == count and tries and soonest - max(tries) > timedelta(seconds=30):
            return rows
        assert time.monotonic() < end, rows
        await asyncio.sleep(0.1)
