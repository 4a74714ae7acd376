"""The API's own loops outlive what a store refuses, and a probe tells of one that does not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import aiohttp
import pytest
from aiohttp import web
from imagerift_api.app import build_metrics_application
from imagerift_api.background import LOOPS
from imagerift_api.metrics import Metrics
from imagerift_core import isolation
from imagerift_core.loops import Loops
from imagerift_core.mongo.driver_errors import StoreRefused
from imagerift_core.mongo.keys import KeyStore

from tests.contract.conftest import failing_mongod
from tests.integration.api.harness import Api, settings_of
from tests.support.server_processes import Mongod, free_port

__all__ = ["failing_mongod"]

SECONDS = 60
BAD_VALUE = 2


@pytest.fixture
async def api_of_it(environment: dict[str, str], failing_mongod: Mongod) -> AsyncIterator[Api]:
    """A replica on a store that can be made to refuse."""
    changed = {
        "IMAGERIFT_MONGO_URL": failing_mongod.url,
        "IMAGERIFT_MONGO_DATABASE": f"loops_{secrets.token_hex(4)}",
    }
    async with Api(settings_of(environment | changed)) as replica:
        await replica.until_ready()
        yield replica


async def test_notes_that_the_store_refuses_end_no_loop(
    api_of_it: Api, failing_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "FIRST_PAUSE", 0.1)
    refused = asyncio.Event()
    mark_used = KeyStore.mark_used

    async def watched(self: KeyStore, key_ids: Sequence[str], *, at: datetime) -> None:
        try:
            await mark_used(self, key_ids, at=at)
        except StoreRefused:
            refused.set()
            raise

    monkeypatch.setattr(KeyStore, "mark_used", watched)
    tenant = await api_of_it.tenant()

    async def last_used() -> datetime | None:
        assert (await api_of_it.call("GET", "/api/v1/jobs", headers=tenant.headers)).status == 200
        key = await api_of_it.database.api_keys.find_one({"_id": tenant.key_id})
        assert key is not None
        used: datetime | None = key.get("last_used_at")
        return used

    with failing_mongod.failing("update", errorCode=BAD_VALUE):
        assert await last_used() is None
        async with asyncio.timeout(SECONDS):
            await refused.wait()
    async with asyncio.timeout(SECONDS):
        while True:
            if await last_used() is not None:
                break
            await asyncio.sleep(0.2)
    assert api_of_it._runner.app[LOOPS].dying == []


class Dying(Loops):
    """Loops of which one keeps dying, once a test says so."""

    said: list[str]

    @property
    def dying(self) -> list[str]:
        return self.said


async def test_the_probe_fails_while_a_loop_keeps_dying_and_names_it() -> None:
    metrics, loops, port = Metrics(), Dying(), free_port()
    loops.said = []
    runner = web.AppRunner(build_metrics_application(metrics, loops))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    seen = []
    async with aiohttp.ClientSession() as http:
        for dying in ([], ["webhooks"], []):
            loops.said = dying
            async with http.get(f"http://127.0.0.1:{port}/livez") as answer:
                seen.append((answer.status, await answer.json()))
    await runner.cleanup()
    metrics.close()
    assert seen == [
        (200, {"dying": []}),
        (503, {"dying": ["webhooks"]}),
        (200, {"dying": []}),
    ]
