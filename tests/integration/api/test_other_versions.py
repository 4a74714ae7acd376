"""Jobs that another version wrote, or that cannot be read: their own workspace's matter alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.api.harness import Answer, Api, Tenant


async def job_of(api: Api, tenant: Tenant) -> str:
    return str((await api.generate(tenant)).body["jobId"])


async def change(api: Api, job: str, **changes: Any) -> None:
    await api.database.jobs.update_one({"_id": job}, {"$set": changes})


async def asked(api: Api, tenant: Tenant, job: str) -> Answer:
    return await api.call("GET", f"/api/v1/jobs/{job}", headers=tenant.headers)


async def jobs_shown(api: Api, tenant: Tenant) -> list[dict[str, Any]]:
    answer = await api.call("GET", "/api/v1/jobs", headers=tenant.headers)
    assert answer.status == 200
    data: list[dict[str, Any]] = answer.body["data"]
    return data


async def test_words_of_another_version_are_shown_as_they_stand(api: Api, tenant: Tenant) -> None:
    job = await job_of(api, tenant)
    error = {"code": "out_of_credit", "message": "m", "retryable": True, "later": 1}
    spec = {"spec.exportSize": "8k", "spec.outputFormat": "jxl", "spec.later": 1}
    await change(api, job, status="failed", error=error, **spec)
    shown = (await asked(api, tenant, job)).body
    assert (shown["status"], shown["error"]["code"]) == ("failed", "out_of_credit")
    assert (shown["exportSize"], shown["outputFormat"]) == ("8k", "jxl")
    (listed,) = await jobs_shown(api, tenant)
    assert listed["error"] == shown["error"]


async def test_a_job_in_a_status_of_another_version_has_not_ended(api: Api, tenant: Tenant) -> None:
    job = await job_of(api, tenant)
    await change(api, job, status="paused")
    assert (await asked(api, tenant, job)).body["status"] == "paused"
    path = f"/api/v1/jobs/{job}"
    async with asyncio.timeout(60):
        for method, each in (("POST", f"{path}/cancel"), ("DELETE", path)):
            refused = await api.call(method, each, headers=tenant.headers)
            assert refused.status == 409
    filtered = await api.call("GET", "/api/v1/jobs?status=paused", headers=tenant.headers)
    assert filtered.status == 400


@pytest.mark.parametrize("broken", [{"spec": "no spec"}, {"created_at": "soon"}, {"quota": None}])
async def test_polls_that_come_together_fail_for_one_that_cannot_be_read_alone(
    api: Api, tenant: Tenant, broken: dict[str, Any]
) -> None:
    other = await api.tenant()
    sick, sound, theirs = [await job_of(api, each) for each in (tenant, tenant, other)]
    await change(api, sick, **broken)

    polls = [(tenant, sick), (other, theirs), (tenant, sound)] * 20
    answers = await asyncio.gather(*(asked(api, each, job) for each, job in polls))

    assert {answer.status for answer in answers[0::3]} == {500}
    assert {answer.body["code"] for answer in answers[0::3]} == {"internal_error"}
    assert {answer.status for answer in [*answers[1::3], *answers[2::3]]} == {200}
    assert [job["jobId"] for job in await jobs_shown(api, tenant)] == [sound]
