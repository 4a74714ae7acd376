"""What a real Kubernetes API server gets of submits and cancels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from imagerift_core.kube import Kube, connect_kube

from tests.contract.conftest import kubeconfig
from tests.contract.kube.conftest import administrator, definitions, namespace
from tests.integration.api.harness import Answer, Api, Tenant, settings_of
from tests.integration.api.test_generate import finish, finished_job

__all__ = ["administrator", "definitions", "kubeconfig", "namespace"]


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(100):
        while True:
            if await found():
                return
            await asyncio.sleep(0.05)


@pytest.fixture
async def kube(kubeconfig: Path, namespace: str) -> AsyncIterator[Kube]:
    async with connect_kube(kubeconfig, namespace, timeout_seconds=10) as opened:
        yield opened


@pytest.fixture
async def connected(
    environment: dict[str, str], kubeconfig: Path, namespace: str
) -> AsyncIterator[Api]:
    variables = environment | {
        "KUBECONFIG": str(kubeconfig),
        "IMAGERIFT_NAMESPACE": namespace,
    }
    async with Api(settings_of(variables)) as replica:
        await replica.until_ready()
        yield replica


async def test_a_submit_creates_its_resource_and_notes_the_uid(connected: Api, kube: Kube) -> None:
    tenant = await connected.tenant()

    job = (await connected.generate(tenant, variations=2, seed=9, preset="noir")).body

    resource: dict[str, Any] | None = await kube.get_job(job["jobId"])
    assert resource is not None
    assert resource["metadata"]["labels"] == {
        "imagerift.dev/origin": "api",
        "imagerift.dev/workspace": tenant.workspace,
    }
    spec = resource["spec"]
    assert (spec["mode"], spec["preset"], spec["variations"], spec["seed"]) == (
        "style",
        "noir",
        2,
        9,
    )
    assert spec["source"] == {"key": job["source"]["imageKey"]}
    assert spec["activeDeadlineSeconds"] == 3600

    async def noted() -> bool:
        record = await connected.stores.jobs.get(job["jobId"])
        return record is not None and record.resource_uid == resource["metadata"]["uid"]

    await until(noted)


async def test_a_cancel_is_shown_on_the_resource(connected: Api, kube: Kube) -> None:
    tenant = await connected.tenant()
    job = (await connected.generate(tenant)).body

    answer = await connected.call("POST", job["urls"]["cancel"], headers=tenant.headers)

    assert answer.body["status"] == "canceled"

    async def shown() -> bool:
        resource = await kube.get_job(job["jobId"])
        return resource is not None and resource["spec"]["cancel"] is True

    await until(shown)


async def delete(api: Api, tenant: Tenant, job_id: str) -> Answer:
    return await api.call("DELETE", f"/api/v1/jobs/{job_id}", headers=tenant.headers)


async def test_of_a_deleted_job_nothing_is_left(connected: Api, kube: Kube) -> None:
    tenant = await connected.tenant()
    job_id = (await connected.generate(tenant)).body["jobId"]
    resource = await kube.get_job(job_id)
    assert resource is not None
    record = await finish(connected, job_id, resource_uid=resource["metadata"]["uid"])
    assert len(await connected.stored(tenant)) == 3  # source, output, thumbnail

    answer = await delete(connected, tenant, record.id)

    assert (answer.status, answer.body) == (204, "")
    assert await connected.stored(tenant) == []
    assert await kube.get_job(job_id) is None
    assert await connected.stores.jobs.get(record.id) is None
    assert await connected.database.tombstones.find_one({"_id": record.id}) is not None
    assert await connected.database.ledger.count_documents({"job": record.id}) == 1
    again = await delete(connected, tenant, record.id)
    assert (again.status, again.body["code"]) == (404, "job_not_found")


async def test_a_resource_goes_with_its_job_though_its_uid_was_never_noted(
    connected: Api, kube: Kube
) -> None:
    tenant = await connected.tenant()
    job = (await connected.generate(tenant)).body
    await connected.call("POST", job["urls"]["cancel"], headers=tenant.headers)
    await connected.database.jobs.update_one(
        {"_id": job["jobId"]}, {"$set": {"resource_uid": None}}
    )

    answer = await delete(connected, tenant, job["jobId"])

    assert answer.status == 204
    assert await kube.get_job(job["jobId"]) is None


async def test_only_ones_own_ended_job_is_deleted(connected: Api, kube: Kube) -> None:
    tenant, other = await connected.tenant(), await connected.tenant()
    job_id = (await connected.generate(tenant)).body["jobId"]

    live = await delete(connected, tenant, job_id)
    foreign = await delete(connected, other, job_id)

    assert (live.status, live.body["code"]) == (409, "job_not_ended")
    assert (foreign.status, foreign.body["code"]) == (404, "job_not_found")
    assert await kube.get_job(job_id) is not None
    assert len(await connected.stored(tenant)) == 1


async def test_without_kubernetes_a_delete_keeps_everything_and_says_so(api: Api) -> None:
    tenant = await api.tenant()
    record = await finished_job(api, tenant)

    answer = await delete(api, tenant, record.id)

    assert (answer.status, answer.body["code"]) == (503, "capacity_unavailable")
    assert len(await api.stored(tenant)) == 3
    assert await api.stores.jobs.get(record.id) is not None
