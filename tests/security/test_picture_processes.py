"""The processes in which the API looks at strangers' pictures: what they have, and when they go."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import psutil

from tests.integration.api.harness import Tenant
from tests.integration.api.test_process import BODY, running
from tests.platform_under_test import wait_until
from tests.support.server_processes import has_ended


async def submitted(url: str, tenant: Tenant) -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/api/v1/generate", data=BODY, headers=tenant.headers) as answer,
    ):
        return answer.status


async def test_they_find_no_secret_and_end_with_the_api(
    tenant: Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    async with running(environment, tmp_path / "log") as process:
        assert await submitted(process.url, tenant) == 202
        lookers = psutil.Process(process.child.pid).children(recursive=True)
        assert lookers
        for looker in lookers:
            assert not [name for name in looker.environ() if name.startswith("IMAGERIFT_")]
            # They load what looks at pictures, and nothing of the service.
            assert looker.memory_info().rss < 80 * 1024 * 1024
        process.child.kill()
        await process.child.wait()
        wait_until(
            lambda: all(has_ended(looker.pid) for looker in lookers),
            seconds=30,
            what="the processes end with the one that asked them",
        )
