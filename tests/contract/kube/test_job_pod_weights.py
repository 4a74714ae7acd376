"""Job pods that name weights, on a real API server; the test plays the kubelet.

Weights, their download's Job and volume, the check's Job and the job's own are the server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
from imagerift_core.job_pods import JobPods
from imagerift_core.kube import Kube
from imagerift_operator import job_pod_server
from imagerift_operator.job_pod_runs import PodAttempt
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.pool_rules import PoolRules
from imagerift_operator.weights_controller import FINALIZER
from imagerift_operator.weights_objects import WeightsObjects
from kubernetes.aio import client

from tests.contract.kube.bodies import new_name
from tests.contract.kube.test_job_pods import DONE, Cluster, following, until
from tests.contract.kube.weights_world import DONE as DOWNLOADED
from tests.contract.kube.weights_world import World, cleared, world_of
from tests.support.queue_of_old_servers import Queued
from tests.unit.operator.builders import isolation
from tests.unit.operator.test_job_pods import News


@pytest.fixture
async def elsewhere(administrator: client.ApiClient) -> AsyncIterator[str]:
    """A namespace of job pods."""
    core, name = client.CoreV1Api(administrator), new_name()
    await core.create_namespace({"metadata": {"name": name}})
    yield name
    await core.delete_namespace(name)


@pytest.fixture
async def world(
    kube: Kube, administrator: client.ApiClient, elsewhere: str
) -> AsyncIterator[World]:
    made = world_of(kube, administrator, PoolRules(), elsewhere, named=True)
    yield made
    await cleared(made)


async def test_job_pods_wait_for_their_weights_and_then_have_them(
    world: World, administrator: client.ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_pod_server, "FOLLOW_SECONDS", 0.05)
    pods = JobPods.model_validate(
        {"namespace": world.pods_in, "image": "triton-gpu:1", "gpus": 1, "weights": [world.name]}
    )
    calls, shard, name = world.kube.runs(world.pods_in), new_name(), new_name()
    cluster = Cluster(administrator, cast(Queued, calls))
    server = JobPodServer(
        calls,
        pods,
        isolation(),
        cast(Any, None),
        shard=shard,
        s3_origin="http://s3",
    )
    server.weights = partial(world.weights.mounted, pods.weights, execution="Pod")
    async with following(server):
        await world.create(execution="Pod")
        await world.reaches("Pending")
        assert server.trouble is not None and server.trouble.reason == "WaitingForWeights"
        assert not server.ready and await cluster.jobs(shard) == []
        await world.ends(await world.pod(), DOWNLOADED)
        seen = await world.reaches("Ready")
        assert seen.spec is not None
        objects = WeightsObjects(seen.name, seen.uid, seen.spec)

        check = await first_job(cluster, shard)
        (looks,) = await cluster.new_pods(check)
        assert await has(cluster, looks) == (objects.claim_name, seen.spec.fingerprint)
        await cluster.end(looks, '{"problem": null}')
        await until(lambda: server.ready)

        attempt = PodAttempt(f"{name}/1", 60, 600, 5, lambda _: {"attemptId": name}, News())
        call = asyncio.create_task(server.run_attempt(attempt))
        (draws,) = await cluster.new_pods(f"{name}-1")
        assert await has(cluster, draws) == (objects.claim_name, seen.spec.fingerprint)
        await cluster.end(draws, DONE)
        assert (await call)["outputs"]


async def first_job(cluster: Cluster, shard: str) -> str:
    async with asyncio.timeout(60):
        while not (found := await cluster.jobs(shard)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found[0][0]


async def has(cluster: Cluster, pod: str) -> tuple[str, str]:
    """The claim and the folder in it that a pod has of the weights, which it cannot write to."""
    made = await cluster.core.read_namespaced_pod(pod, cluster.namespace)
    (container,) = made.spec.containers
    (mount,) = [one for one in container.volume_mounts if one.mount_path.startswith("/weights/")]
    (volume,) = [one for one in made.spec.volumes if one.name == mount.name]
    claim = volume.persistent_volume_claim
    assert mount.read_only is True and claim.read_only is True
    return claim.claim_name, mount.sub_path


async def test_weights_that_job_pods_name_are_not_deleted(world: World) -> None:
    # They lie with pools here, so that nothing else keeps them.
    world.pods_in = world.kube.namespace
    await world.is_ready()
    seen = await world.until(lambda now: now is not None and FINALIZER in now.finalizers)
    assert seen is not None and seen.status["pools"] == ["job-pods"]
    await world.objects.delete_namespaced_custom_object(*world.place, world.name)
    for _ in range(3):
        held = await world.follow()
        assert held is not None and held.deleting and held.ready
    assert ("Warning", "InUse") in world.told()
    # As in an installation whose job pods name them no more.
    world.weights.named_by_job_pods = frozenset()
    await world.until(lambda now: now is None)
