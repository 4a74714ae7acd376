"""Batches: all of the jobs or none, progress, and cancel."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from imagerift_core import clock

from tests.integration.api.harness import Answer, Api, Tenant, plans_of_tests, settings_of
from tests.integration.api.test_uploads import uploaded


def job_body(image_key: str, **fields: Any) -> dict[str, Any]:
    return {"mode": "style", "prompt": "p", "imageKey": image_key} | fields


async def make(
    api: Api, tenant: Tenant, jobs: list[dict[str, Any]], key: str | None = None
) -> Answer:
    headers = tenant.headers | ({"Idempotency-Key": key} if key else {})
    return await api.call("POST", "/api/v1/batches", json={"jobs": jobs}, headers=headers)


async def get(api: Api, tenant: Tenant, path: str, method: str = "GET") -> Answer:
    return await api.call(method, path, headers=tenant.headers)


async def test_a_hundred_jobs_are_accepted_in_order(api: Api, tenant: Tenant) -> None:
    image_key = await uploaded(api, tenant)

    answer = await make(api, tenant, [job_body(image_key, seed=n) for n in range(100)])

    assert answer.status == 202, answer.body
    batch = answer.body
    assert answer.headers["Location"] == batch["statusUrl"] == batch["urls"]["self"]
    assert (batch["total"], batch["progress"]["queued"], batch["done"]) == (100, 100, False)
    assert await api.counted(tenant) == (0, 100)
    listed = (await get(api, tenant, batch["urls"]["jobs"] + "&limit=100")).body["data"]
    assert {job["jobId"] for job in listed} == set(batch["jobIds"])
    seeds = {job["jobId"]: job["seed"] for job in listed}
    assert [seeds[job_id] for job_id in batch["jobIds"]] == list(range(100))
    assert {job["batchId"] for job in listed} == {batch["batchId"]}
    # One request to make the upload, one for the batch, one for the list.
    assert answer.body["rateLimit"]["remainingThisMinute"] >= 99_000


async def test_progress_follows_the_jobs_and_a_cancel_ends_the_rest(
    api: Api, tenant: Tenant
) -> None:
    image_key = await uploaded(api, tenant)
    batch = (await make(api, tenant, [job_body(image_key)] * 4)).body
    await get(api, tenant, f"/api/v1/jobs/{batch['jobIds'][0]}/cancel", "POST")
    await api.stores.jobs.forget(batch["jobIds"][0], at=clock.now())

    seen = (await get(api, tenant, batch["statusUrl"])).body
    canceled = await get(api, tenant, batch["urls"]["cancel"], "POST")
    again = await get(api, tenant, batch["urls"]["cancel"], "POST")

    assert (seen["progress"]["queued"], seen["progress"]["deleted"]) == (3, 1)
    for answer in (canceled, again):
        assert answer.status == 200
        assert (answer.body["progress"]["canceled"], answer.body["done"]) == (3, True)
    assert await api.counted(tenant) == (0, 0)


async def test_a_batch_goes_with_its_last_job(api: Api, tenant: Tenant) -> None:
    image_key = await uploaded(api, tenant)
    batch = (await make(api, tenant, [job_body(image_key)] * 3)).body
    await get(api, tenant, batch["urls"]["cancel"], "POST")

    await asyncio.gather(*(api.stores.jobs.forget(job, at=clock.now()) for job in batch["jobIds"]))

    assert (await get(api, tenant, batch["statusUrl"])).status == 404
    assert await api.database.batches.find_one({"_id": batch["batchId"]}) is None


async def test_a_batch_that_does_not_fit_the_quota_leaves_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    plans = tmp_path / "plans.json"
    plans.write_text(json.dumps(plans_of_tests(unitsPerMonth=10)))
    async with Api(settings_of(environment, plans_file=plans)) as api:
        await api.until_ready()
        tenant = await api.tenant()
        image_key = await uploaded(api, tenant)

        over = await make(api, tenant, [job_body(image_key, variations=4)] * 3)
        several = await asyncio.gather(
            *(make(api, tenant, [job_body(image_key)] * 4) for _ in range(6))
        )

        assert (over.status, over.body["code"], over.body["units"]) == (402, "quota_exhausted", 12)
        assert sorted(answer.status for answer in several) == [202, 202, 402, 402, 402, 402]
        assert await api.counted(tenant) == (0, 8)
        assert await api.jobs_of(tenant) == 8
        assert await api.database.batches.count_documents({"workspace": tenant.workspace}) == 2
        assert len(await api.stored(tenant)) == 8 + 1
        rows = await api.stores.audit.differences()
        assert [row for row in rows if row.counter == tenant.counter] == []


BAD_BATCHES: dict[str, tuple[Any, int, str]] = {
    "no jobs": ([], 400, "jobs"),
    "too many": ([{}] * 101, 400, "jobs"),
    "no list": ("jobs", 400, "jobs"),
    "a picture in the body": (
        [{"mode": "style", "prompt": "p", "imageBase64": "QUJD"}],
        400,
        "jobs.0.imageBase64",
    ),
    "two sources": (
        [{"mode": "style", "prompt": "p", "imageKey": "k", "sourceGenerationId": "g"}],
        400,
        "jobs.0.imageKey",
    ),
    "one wrong among right ones": ("wrong seed", 400, "jobs.1.seed"),
    "one without a prompt": ("no prompt", 400, "jobs.1.prompt"),
    "one with a foreign source": ("foreign", 404, "jobs.1.imageKey"),
    "one that is no picture": ("unreadable", 415, "jobs.1.imageKey"),
}


@pytest.mark.parametrize("name", BAD_BATCHES)
async def test_one_wrong_job_refuses_the_batch_and_is_named(
    api: Api, tenant: Tenant, name: str
) -> None:
    jobs, status, param = BAD_BATCHES[name]
    image_key = await uploaded(api, tenant)
    bad = {
        "wrong seed": job_body(image_key, seed=-1),
        "no prompt": job_body(image_key, prompt=" "),
        "foreign": job_body(await uploaded(api, await api.tenant())),
        "unreadable": job_body(await uploaded(api, tenant, b"no picture")),
    }
    if isinstance(jobs, str) and jobs in bad:
        jobs = [job_body(image_key), bad[jobs], job_body(image_key)]

    answer = await make(api, tenant, jobs)

    assert (answer.status, answer.body["param"]) == (status, param), answer.body
    assert await api.jobs_of(tenant) == 0
    assert await api.counted(tenant) == (0, 0)
    assert all("/uploads/" in key for key in await api.stored(tenant))


async def test_a_batch_is_accepted_once_under_its_key(api: Api, tenant: Tenant) -> None:
    image_key = await uploaded(api, tenant)

    answers = await asyncio.gather(
        *(make(api, tenant, [job_body(image_key)] * 5, "k") for _ in range(6))
    )

    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["batchId"] for answer in answers}) == 1
    assert await api.counted(tenant) == (0, 5)
    elsewhere = await api.call(
        "POST",
        "/api/v1/generate",
        json=job_body(image_key),
        headers=tenant.headers | {"Idempotency-Key": "k"},
    )
    assert (elsewhere.status, elsewhere.body["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("name", ["foreign", "unknown", "no-uuid"])
async def test_no_batch_but_ones_own_is_found(api: Api, tenant: Tenant, name: str) -> None:
    other = await api.tenant()
    foreign = (await make(api, other, [job_body(await uploaded(api, other))])).body["batchId"]
    batch_id = {"foreign": foreign, "unknown": str(uuid.uuid4())}.get(name, name)

    for method, path in (("GET", batch_id), ("POST", f"{batch_id}/cancel")):
        answer = await get(api, tenant, f"/api/v1/batches/{path}", method)
        assert (answer.status, answer.body["code"]) == (404, "batch_not_found")
    if name != "no-uuid":
        listed = await get(api, tenant, f"/api/v1/jobs?batchId={batch_id}")
        assert listed.body["data"] == []
