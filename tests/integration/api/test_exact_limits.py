"""200 submits at once against a limit of 50, on one, two and four replicas: exactly 50 pass."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.harness import Answer, Api, Tenant, plans_of_tests, settings_of

LIMIT = 50
SUBMITS = 200
REPLICAS = (1, 2, 4)


@asynccontextmanager
async def replicas(
    environment: dict[str, str], folder: Path, count: int, **business: Any
) -> AsyncIterator[list[Api]]:
    plans = folder / "plans.json"
    plans.write_text(json.dumps(plans_of_tests(**business)))
    async with AsyncExitStack() as stack:
        settings = settings_of(environment, plans_file=plans)
        opened = [await stack.enter_async_context(Api(settings)) for _ in range(count)]
        for replica in opened:
            await replica.until_ready()
        yield opened


async def submit_at_once(opened: list[Api], tenant: Tenant) -> list[Answer]:
    return await asyncio.gather(*(opened[n % len(opened)].generate(tenant) for n in range(SUBMITS)))


async def differences(api: Api, tenant: Tenant) -> list[object]:
    return [row for row in await api.stores.audit.differences() if row.counter == tenant.counter]


@pytest.mark.parametrize("count", REPLICAS)
async def test_a_quota_of_50_accepts_exactly_50_of_200(
    environment: dict[str, str], tmp_path: Path, count: int
) -> None:
    async with replicas(environment, tmp_path, count, unitsPerMonth=LIMIT) as opened:
        tenant = await opened[0].tenant()

        answers = await submit_at_once(opened, tenant)

        codes = Counter(answer.body.get("code", "accepted") for answer in answers)
        assert codes == {"accepted": LIMIT, "quota_exhausted": SUBMITS - LIMIT}
        assert await opened[0].counted(tenant) == (0, LIMIT)
        assert await opened[0].jobs_of(tenant) == LIMIT
        assert len(await opened[0].stored(tenant)) == LIMIT
        assert await differences(opened[0], tenant) == []


@pytest.mark.parametrize("count", REPLICAS)
async def test_a_rate_of_50_answers_exactly_50_of_200(
    environment: dict[str, str], tmp_path: Path, count: int, one_minute: datetime
) -> None:
    limits = {"unitsPerMonth": 10 * SUBMITS, "requestsPerMinute": LIMIT}
    async with replicas(environment, tmp_path, count, **limits) as opened:
        tenant = await opened[0].tenant()

        answers = await submit_at_once(opened, tenant)

        codes = Counter(answer.body.get("code", "accepted") for answer in answers)
        assert codes == {"accepted": LIMIT, "rate_limited": SUBMITS - LIMIT}
        assert await opened[0].counted(tenant) == (0, LIMIT)
        assert await differences(opened[0], tenant) == []
