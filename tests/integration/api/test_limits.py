"""Quota and rate limit: exact, however many requests come at once and wherever they go."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from imagerift_core.modes import load_modes

from tests.integration.api.harness import Api, plans_of_tests, settings_of

UNITS = 10
QUEUE = 12
REQUESTS = 30


@pytest.fixture
async def replicas(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[list[Api]]:
    """Two replicas with a small quota, a small rate, a small queue and a refused word."""
    plans = plans_of_tests(unitsPerMonth=UNITS)
    plans["pro"] |= {"requestsPerMinute": REQUESTS}
    plans["queued"] = plans["business"] | {"unitsPerMonth": 1000, "queueUnits": QUEUE}
    path = tmp_path / "plans.json"
    path.write_text(json.dumps(plans))
    modes = {name: mode.model_dump(by_alias=True) for name, mode in load_modes().items()}
    modes["style"]["refusedWords"] = ["grape"]
    (tmp_path / "modes.json").write_text(json.dumps(modes))
    settings = settings_of(environment, plans_file=path, modes_file=tmp_path / "modes.json")
    async with Api(settings) as first, Api(settings) as second:
        for replica in (first, second):
            await replica.until_ready()
        yield [first, second]


async def test_of_many_submits_exactly_the_quota_is_accepted(replicas: list[Api]) -> None:
    tenant = await replicas[0].tenant()

    answers = await asyncio.gather(*(replicas[n % 2].generate(tenant) for n in range(100)))

    assert Counter(answer.status for answer in answers) == {202: UNITS, 402: 100 - UNITS}
    assert await replicas[0].counted(tenant) == (0, UNITS)
    assert await replicas[0].jobs_of(tenant) == UNITS
    assert len(await replicas[0].stored(tenant)) == UNITS
    refused = next(answer for answer in answers if answer.status == 402)
    assert refused.body["code"] == "quota_exhausted"
    assert refused.body["limit"] == UNITS
    assert refused.body["charged"] == 0
    assert refused.body["resetsAt"].endswith("-01T00:00:00.000Z")
    ours = {tenant.counter}
    assert [
        row for row in await replicas[0].stores.audit.differences() if row.counter in ours
    ] == []


async def test_of_many_submits_exactly_a_queue_full_is_accepted(replicas: list[Api]) -> None:
    tenant = await replicas[0].tenant("queued")

    answers = await asyncio.gather(*(replicas[n % 2].generate(tenant) for n in range(60)))

    assert Counter(answer.status for answer in answers) == {202: QUEUE, 429: 60 - QUEUE}
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.body["code"] == "queue_full"
    assert (refused.body["limit"], refused.body["reserved"]) == (QUEUE, QUEUE)
    assert refused.body["retryable"] is True
    assert int(refused.headers["Retry-After"]) > 0
    assert len(await replicas[0].stored(tenant)) == QUEUE
    accepted = next(answer for answer in answers if answer.status == 202)
    await replicas[0].call("POST", accepted.body["urls"]["cancel"], headers=tenant.headers)
    assert (await replicas[1].generate(tenant)).status == 202


async def test_a_refused_prompt_leaves_nothing_behind(replicas: list[Api]) -> None:
    tenant = await replicas[0].tenant()

    alone = await replicas[0].generate(tenant, prompt="A Grape in the sun")
    upload = {"mode": "style", "imageKey": "img_x", "prompt": "grape"}
    batch = await replicas[0].call(
        "POST", "/api/v1/batches", json={"jobs": [upload]}, headers=tenant.headers
    )

    for answer, param in ((alone, "prompt"), (batch, "jobs.0.prompt")):
        assert (answer.status, answer.body["code"]) == (422, "content_rejected")
        assert answer.body["param"] == param
        assert "grape" not in json.dumps(answer.body).lower()
    assert await replicas[0].stored(tenant) == []
    assert await replicas[0].counted(tenant) == (0, 0)


async def test_units_that_do_not_fit_are_refused_whole(replicas: list[Api]) -> None:
    tenant = await replicas[0].tenant()
    await replicas[0].generate(tenant, variations=8)

    over = await replicas[0].generate(tenant, variations=3)
    fits = await replicas[0].generate(tenant, variations=2)

    assert (over.status, over.body["reserved"]) == (402, 8)
    assert fits.status == 202
    assert await replicas[0].counted(tenant) == (0, UNITS)


async def test_of_many_requests_exactly_the_rate_is_answered(
    replicas: list[Api], one_minute: datetime
) -> None:
    tenant = await replicas[0].tenant("pro")

    answers = await asyncio.gather(
        *(
            replicas[n % 2].call("GET", "/api/v1/jobs", headers=tenant.headers)
            for n in range(3 * REQUESTS)
        )
    )

    assert Counter(answer.status for answer in answers) == {200: REQUESTS, 429: 2 * REQUESTS}
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.body["code"] == "rate_limited"
    assert refused.body["retryable"] is True
    assert refused.headers["RateLimit-Policy"] == f'"requests";q={REQUESTS};w=60'
    assert refused.headers["RateLimit"].startswith('"requests";r=0;t=')
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


async def test_refused_requests_count_and_a_refused_submit_leaves_nothing(
    replicas: list[Api], one_minute: datetime
) -> None:
    tenant = await replicas[0].tenant("pro")
    for _ in range(REQUESTS):
        await replicas[0].call("GET", "/api/v1/jobs/nothing", headers=tenant.headers)

    answer = await replicas[1].generate(tenant)

    assert (answer.status, answer.body["code"]) == (429, "rate_limited")
    assert await replicas[0].stored(tenant) == []
    assert await replicas[0].counted(tenant) == (0, 0)


async def test_keys_of_one_workspace_share_its_window(
    replicas: list[Api], one_minute: datetime
) -> None:
    first = await replicas[0].tenant("pro")
    other = await replicas[0].tenant("pro")

    mine = await replicas[0].call("GET", "/api/v1/jobs", headers=first.headers)
    theirs = await replicas[0].call("GET", "/api/v1/jobs", headers=other.headers)

    assert mine.headers["RateLimit"] == theirs.headers["RateLimit"]
