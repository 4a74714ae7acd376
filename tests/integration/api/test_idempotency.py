"""Idempotency keys: one job however often, wherever and whenever the request comes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from imagerift_core import clock
from imagerift_core.mongo.idempotency import row_id
from imagerift_core.mongo.job_lists import JobFilter

from tests.integration.api.harness import Answer, Api, Tenant, plans_of_tests, settings_of
from tests.integration.api.test_process import running
from tests.support.pictures import encode, picture

PHOTO = encode(picture())


async def submit(api: Api, tenant: Tenant, key: str | None, **fields: Any) -> Answer:
    body = {"mode": "style", "prompt": "p", "imageBase64": PHOTO} | fields
    headers = tenant.headers | ({"Idempotency-Key": key} if key is not None else {})
    return await api.call("POST", "/api/v1/generate", json=body, headers=headers)


async def test_the_same_request_again_is_answered_with_the_first_job(
    api: Api, tenant: Tenant
) -> None:
    first = await submit(api, tenant, "order-1")
    again = await submit(api, tenant, "order-1")

    assert (first.status, again.status) == (202, 202)
    assert again.body["jobId"] == first.body["jobId"]
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await api.counted(tenant) == (0, 1)
    assert len(await api.stored(tenant)) == 1


async def test_a_replay_shows_the_job_as_it_is_now(api: Api, tenant: Tenant) -> None:
    job_id = (await submit(api, tenant, "k")).body["jobId"]
    await api.call("POST", f"/api/v1/jobs/{job_id}/cancel", headers=tenant.headers)

    again = await submit(api, tenant, "k")

    assert (again.status, again.body["status"]) == (202, "canceled")


async def test_the_order_of_fields_makes_no_other_request(api: Api, tenant: Tenant) -> None:
    texts = [
        json.dumps({"mode": "style", "prompt": "p", "imageBase64": PHOTO}),
        json.dumps({"imageBase64": PHOTO, "prompt": "p", "mode": "style"}, indent=1),
    ]
    headers = tenant.headers | {"Idempotency-Key": "k"}

    answers = [
        await api.call("POST", "/api/v1/generate", data=text, headers=headers) for text in texts
    ]

    assert len({answer.body["jobId"] for answer in answers}) == 1


async def test_another_body_under_the_key_is_refused(api: Api, tenant: Tenant) -> None:
    await submit(api, tenant, "k")

    other = await submit(api, tenant, "k", prompt="another")

    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert other.body["param"] == "Idempotency-Key"
    assert await api.jobs_of(tenant) == 1
    assert len(await api.stored(tenant)) == 1


async def test_refused_requests_do_not_use_the_key_up(api: Api, tenant: Tenant) -> None:
    refused = await submit(api, tenant, "k", prompt="")
    accepted = await submit(api, tenant, "k")

    assert (refused.status, accepted.status) == (400, 202)
    assert "Idempotent-Replayed" not in accepted.headers


async def test_a_key_is_the_workspaces_own(api: Api, tenant: Tenant) -> None:
    other = await api.tenant()

    mine, theirs = await submit(api, tenant, "k"), await submit(api, other, "k")

    assert mine.body["jobId"] != theirs.body["jobId"]
    assert "Idempotent-Replayed" not in theirs.headers


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "schlüssel"])
async def test_a_key_must_be_visible_text(api: Api, tenant: Tenant, key: str) -> None:
    answer = await submit(api, tenant, key)

    assert (answer.status, answer.body["param"]) == (400, "Idempotency-Key")
    assert await api.jobs_of(tenant) == 0


async def test_two_keys_are_refused(api: Api, tenant: Tenant) -> None:
    headers = [*tenant.headers.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    body = {"mode": "style", "prompt": "p", "imageBase64": PHOTO}

    answer = await api.call("POST", "/api/v1/generate", json=body, headers=headers)

    assert (answer.status, answer.body["param"]) == (400, "Idempotency-Key")


async def test_a_key_is_free_again_after_a_day(
    api: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await submit(api, tenant, "k")
    later = clock.now() + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)

    second = await submit(api, tenant, "k")
    third = await submit(api, tenant, "k")

    assert second.body["jobId"] != first.body["jobId"]
    assert third.body["jobId"] == second.body["jobId"]


@pytest.mark.parametrize("units", [1, 100], ids=["with the last unit", "with units left"])
async def test_of_many_at_once_on_two_replicas_one_is_accepted(
    environment: dict[str, str], tmp_path: Path, units: int
) -> None:
    plans = tmp_path / "plans.json"
    plans.write_text(json.dumps(plans_of_tests(unitsPerMonth=units)))
    settings = settings_of(environment, plans_file=plans)
    async with Api(settings) as first, Api(settings) as second:
        for replica in (first, second):
            await replica.until_ready()
        tenant = await first.tenant()

        answers = await asyncio.gather(
            *(submit((first, second)[n % 2], tenant, "k") for n in range(24))
        )

        assert {answer.status for answer in answers} == {202}, Counter(
            (answer.status, answer.body.get("code")) for answer in answers
        )
        assert len({answer.body["jobId"] for answer in answers}) == 1
        fresh = [a for a in answers if "Idempotent-Replayed" not in a.headers]
        assert len(fresh) == 1
        assert await first.counted(tenant) == (0, 1)
        assert await first.jobs_of(tenant) == 1
        assert len(await first.stored(tenant)) == 1


async def test_while_the_first_is_being_admitted_the_second_is_told_so(
    api: Api, tenant: Tenant
) -> None:
    row = row_id(tenant.workspace, "k")
    body = {"mode": "style", "prompt": "p", "imageBase64": PHOTO}
    async with await api.database._client.start_session() as session:
        session.start_transaction()
        await api.database.idempotency_keys.insert_one({"_id": row}, session=session)

        meanwhile = await submit(api, tenant, "k")

        await session.abort_transaction()
    assert (meanwhile.status, meanwhile.body["code"]) == (409, "idempotency_in_progress")
    assert meanwhile.headers["Retry-After"] == "1"
    assert await api.stored(tenant) == []
    assert (await submit(api, tenant, "k", **body)).status == 202


async def test_a_job_that_was_deleted_is_not_made_again(api: Api, tenant: Tenant) -> None:
    job_id = (await submit(api, tenant, "k")).body["jobId"]
    await api.stores.jobs.cancel(job_id, workspace=tenant.workspace, reason="test", at=clock.now())
    await api.stores.jobs.forget(job_id, at=clock.now())

    again = await submit(api, tenant, "k")

    assert (again.status, again.body["code"]) == (404, "job_not_found")
    assert await api.jobs_of(tenant) == 0


@pytest.mark.parametrize("point", ["api-source-stored", "api-admitted", "api-resource-created"])
async def test_after_a_crash_at_any_point_the_key_stands_for_one_job(
    *, api: Api, tenant: Tenant, environment: dict[str, str], tmp_path: Path, point: str
) -> None:
    (tmp_path / point).touch()
    body = json.dumps({"mode": "style", "prompt": "p", "imageBase64": PHOTO})
    headers = tenant.headers | {"Idempotency-Key": "k"}
    async with (
        running(environment, tmp_path / "log", IMAGERIFT_CRASH_DIR=str(tmp_path)) as process,
        aiohttp.ClientSession() as http,
    ):
        with pytest.raises(aiohttp.ClientError):
            await http.post(f"{process.url}/api/v1/generate", data=body, headers=headers)
        assert await process.child.wait() == -signal.SIGKILL

    again = [await submit(api, tenant, "k") for _ in range(2)]

    assert [answer.status for answer in again] == [202, 202]
    assert ("Idempotent-Replayed" in again[0].headers) == (point != "api-source-stored")
    assert again[1].body["jobId"] == again[0].body["jobId"]
    page = await api.stores.jobs.page(JobFilter(workspace=tenant.workspace), limit=10)
    assert [record.id for record in page.records] == [again[0].body["jobId"]]
    assert await api.counted(tenant) == (0, 1)
