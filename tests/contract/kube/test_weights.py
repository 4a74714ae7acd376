"""Weights on a real API server: their Jobs, volumes, status and deletion. The test plays kubelet.

The Job's pod, its end and what goes with its owner are the server's own controllers'.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core.kube import Kube
from imagerift_core.weights_download.report import Downloaded
from imagerift_operator import weights_controller, weights_downloads
from imagerift_operator.pool_rules import PoolRules
from imagerift_operator.weights_controller import FINALIZER
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from tests.contract.kube.bodies import new_name
from tests.contract.kube.weights_world import (
    AWAY,
    DONE,
    SUM,
    WRONG,
    World,
    cleared,
    gone,
    objects_of,
    reason_of,
    world_of,
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_controller, "READY_SECONDS", 0)


@pytest.fixture
async def world(kube: Kube, administrator: client.ApiClient) -> AsyncIterator[World]:
    made = world_of(kube, administrator, PoolRules())
    yield made
    await cleared(made)


async def test_weights_are_downloaded_and_then_ready(
    world: World, administrator: client.ApiClient
) -> None:
    await world.create()
    seen = await world.follow()
    assert seen is not None and reason_of(seen) == "Pending" and not seen.ready
    claim = await client.CoreV1Api(administrator).read_namespaced_persistent_volume_claim(
        f"{world.name}-weights", world.kube.namespace
    )
    assert claim.spec.resources.requests == {"storage": "1Gi"}
    assert claim.metadata.owner_references[0].uid == seen.uid
    pod = await world.pod()
    await world.runs(pod)
    seen = await world.reaches("Downloading")
    assert seen.status["progress"] == "41%"
    await world.ends(pod, DONE)
    seen = await world.reaches("Ready")
    assert seen.ready
    assert {kind: c["status"] for kind, c in seen.conditions.items()} == {
        "Downloaded": "True",
        "Verified": "True",
        "Ready": "True",
    }
    assert seen.spec is not None
    assert seen.status | {"conditions": []} == {
        "conditions": [],
        "observedGeneration": 1,
        "progress": "100%",
        "size": "7.0 MB",
        "bytes": 7_000_000,
        "files": 3,
        "digest": "sha256:1",
        "licence": "openrail++",
        "revision": "abc",
        "fingerprint": seen.spec.fingerprint,
        "pools": [],
    }
    assert ("Normal", "Ready") in world.told()
    version = seen.version
    again = await world.follow()
    assert again is not None and again.version == version


async def test_what_is_wrong_for_good_is_said_and_not_downloaded_again(world: World) -> None:
    await world.create()
    await world.follow()
    pod = await world.pod()
    await world.ends(pod, WRONG)
    seen = await world.reaches("ChecksumMismatch")
    assert seen.conditions["Verified"]["status"] == "False"
    assert ("Warning", "ChecksumMismatch") in world.told()
    (job,) = await world.jobs()
    for _ in range(3):
        await world.follow()
    assert await world.jobs() == [job] and await world.pod() == pod


@pytest.mark.parametrize(("report", "reason"), [(AWAY, "Unavailable"), (None, "Lost")])
async def test_what_may_end_otherwise_is_downloaded_again(
    world: World, monkeypatch: pytest.MonkeyPatch, report: Downloaded | None, reason: str
) -> None:
    await world.create()
    await world.follow()
    pod = await world.pod()
    await world.ends(pod, report)
    await world.reaches(reason)
    assert await world.pod() == pod
    for pause in ("AGAIN", "LOST"):
        monkeypatch.setattr(weights_downloads, pause, timedelta(days=-1))
    await world.reaches("Pending")
    await world.ends(await world.pod(but=pod), DONE)
    assert (await world.reaches("Ready")).ready


async def test_another_spec_ends_the_download_before_it(
    world: World, administrator: client.ApiClient
) -> None:
    await world.create()
    await world.follow()
    (before,) = await world.jobs()
    await world.pod()
    change = {"spec": {"files": ["*.json"]}}
    await world.objects.patch_namespaced_custom_object(
        *world.place, world.name, change, _content_type="application/merge-patch+json"
    )
    async with asyncio.timeout(60):
        while (now := await world.jobs()) in ([before], []) or before in now:
            # At no time do two write to one volume.
            assert len(now) <= 1
            await world.follow()
            await asyncio.sleep(0.1)
    (after,) = now
    assert after != before


async def test_a_claim_of_somebody_else_is_left_alone(
    world: World, administrator: client.ApiClient
) -> None:
    core = client.CoreV1Api(administrator)
    claim = {
        "metadata": {"name": f"{world.name}-weights"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    await core.create_namespaced_persistent_volume_claim(world.kube.namespace, claim)
    await world.create()
    await world.reaches("ClaimTaken")
    assert await world.jobs() == []


async def test_a_volume_that_is_gone_is_downloaded_again(
    world: World, administrator: client.ApiClient
) -> None:
    await world.is_ready()
    pod = await world.pod()
    core = client.CoreV1Api(administrator)
    # No kubelet says of the pod that it uses the volume no more.
    await core.delete_namespaced_pod(pod, world.kube.namespace, grace_period_seconds=0)
    name, namespace = f"{world.name}-weights", world.kube.namespace
    await core.delete_namespaced_persistent_volume_claim(name, namespace)
    no_finalizer: dict[str, Any] = {"metadata": {"finalizers": None}}
    await gone(core.patch_namespaced_persistent_volume_claim(name, namespace, no_finalizer))
    seen = await world.until(lambda now: now is not None and not now.ready)
    assert seen is not None and seen.conditions["Ready"]["status"] == "False"


async def test_a_deletion_waits_while_a_pool_names_the_weights(world: World) -> None:
    await world.is_ready()
    world.name_them()
    seen = await world.until(lambda now: now is not None and FINALIZER in now.finalizers)
    assert seen is not None
    await world.objects.delete_namespaced_custom_object(*world.place, world.name)
    for _ in range(3):
        held = await world.follow()
        assert held is not None and held.deleting and held.ready
    assert ("Warning", "InUse") in world.told()
    world.pools.clear()
    await world.until(lambda now: now is None)


async def test_weights_that_nobody_names_go_at_once(world: World) -> None:
    seen = await world.is_ready()
    assert seen.finalizers == []
    await world.objects.delete_namespaced_custom_object(*world.place, world.name)
    assert await world.read() is None


async def test_weights_of_job_pods_lie_with_them_and_go_with_their_owner(
    kube: Kube, administrator: client.ApiClient
) -> None:
    core, elsewhere = client.CoreV1Api(administrator), new_name()
    await core.create_namespace({"metadata": {"name": elsewhere}})
    world = world_of(kube, administrator, PoolRules(), elsewhere)
    calls = kube.weights_objects(elsewhere)
    try:
        await world.create(execution="Pod")
        seen = await world.reaches("Pending")
        objects = objects_of(seen)
        assert await calls.claim(objects.claim_name) is not None
        await world.until(lambda now: now is not None and FINALIZER in now.finalizers)
        assert len(await calls.downloads(objects.selector)) == 1
        assert await kube.weights_objects(kube.namespace).downloads(objects.selector) == []
        await world.objects.delete_namespaced_custom_object(*world.place, world.name)
        await world.until(lambda now: now is None)
        left = await core.list_namespaced_persistent_volume_claim(elsewhere)
        assert all(claim.metadata.deletion_timestamp for claim in left.items)
    finally:
        await cleared(world)
        await core.delete_namespace(elsewhere)


async def test_an_image_wants_a_server_that_has_image_volumes(
    world: World, administrator: client.ApiClient
) -> None:
    image = f"registry.example/sdxl@sha256:{SUM}"
    await world.create(source=f"oci://{image}", storage=None)
    version = await client.VersionApi(administrator).get_code()
    newest = (int(version.major), int(version.minor.rstrip("+"))) >= (1, 35)
    seen = await world.reaches("Ready" if newest else "NoImageVolumes")
    assert seen.ready is newest
    assert await world.jobs() == []


async def test_weights_may_name_only_what_is_allowed(
    kube: Kube, administrator: client.ApiClient
) -> None:
    world = world_of(kube, administrator, PoolRules(secrets=frozenset({"hub"})))
    try:
        await world.create(secretName="imagerift-api")
        seen = await world.reaches("NotAllowed")
        assert "spec.secretName" in seen.conditions["Ready"]["message"]
        assert await world.jobs() == []
    finally:
        await cleared(world)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "ftp://host/a.onnx"),
        ("source", "https://host/a.onnx?X-Amz-Signature=1"),
        ("source", "oci://registry/sdxl:latest"),
        ("acceptLicence", None),
        ("acceptLicence", ""),
        ("checksums", {"a.onnx": "md5"}),
        ("storage", {"size": "much"}),
        ("execution", "Somewhere"),
    ],
)
async def test_the_definition_refuses_what_is_wrong(world: World, field: str, value: Any) -> None:
    with pytest.raises(ApiException) as refusal:
        await world.create(**{field: value})
    assert refusal.value.status == 422
