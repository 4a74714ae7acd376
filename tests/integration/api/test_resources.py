"""What a real Kubernetes API server gets of submits and cancels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from imagerift_core.kube import Kube, connect_kube
from imagerift_core.mongo import jobs

from tests.contract.conftest import kubeconfig
from tests.contract.kube.conftest import administrator, definitions, namespace
from tests.integration.api.harness import Api, settings_of

__all__ = ["administrator", "definitions", "kubeconfig", "namespace"]


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
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
        record = await jobs.get(connected.database, job["jobId"])
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
