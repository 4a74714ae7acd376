"""Job pods in a queue, on a real API server; the test plays Kueue and the kubelet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from imagerift_core.job_pods import JobPods
from imagerift_core.kube import Kube
from imagerift_core.kube_job_pods import RunCalls
from imagerift_operator import job_pod_check, job_pod_server
from imagerift_operator.job_pod_objects import run_job
from imagerift_operator.job_pod_runs import BY_QUEUE, PodAttempt
from imagerift_operator.job_pod_server import JobPodServer
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from tests.contract.kube.bodies import new_name
from tests.support.queue_of_old_servers import Queued, word
from tests.unit.operator.builders import isolation
from tests.unit.operator.test_job_pods import News

PODS = JobPods.model_validate(
    {"namespace": "x", "image": "runner:1", "queue": {"name": "gpu", "priorityClass": "batch"}}
)
# Which servers have known for a while, or do not yet.
NEW_FIELDS = {
    "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "h100"}],
    "initContainers": [{"name": "beside", "image": "proxy:1", "restartPolicy": "Always"}],
    "topologySpreadConstraints": [
        {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2}
    ],
    "volumes": [{"name": "style", "image": {"reference": "styles:1"}}],
}
DONE = '{"outputs": [{"index": 0}]}'


class Cluster:
    """What Kueue and the kubelet do to the Job of the test's one attempt."""

    def __init__(self, api: client.ApiClient, calls: Queued) -> None:
        self.core, self.batch = client.CoreV1Api(api), client.BatchV1Api(api)
        self.calls, self.namespace = calls, calls.namespace

    async def hold(self, name: str, *, suspended: bool) -> None:
        body = word(suspended=suspended, keeps_suspend=self.calls.keeps_suspend)
        await self.batch.patch_namespaced_job(name, self.namespace, body)

    async def pods(self, job: str) -> list[str]:
        listed = await self.core.list_namespaced_pod(
            self.namespace, label_selector=f"job-name={job}"
        )
        return [pod.metadata.name for pod in listed.items]

    async def new_pods(self, job: str, *, but: Sequence[str] = ()) -> list[str]:
        """The pods that the server's own controller makes for the Job, once there are others."""
        async with asyncio.timeout(60):
            while not (new := set(await self.pods(job)) - set(but)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return sorted(new)

    async def jobs(self, shard: str) -> list[tuple[str, str]]:
        listed = await self.batch.list_namespaced_job(
            self.namespace, label_selector=f"imagerift.dev/shard={shard}"
        )
        return [(job.metadata.name, job.metadata.uid) for job in listed.items]

    async def has_secret(self, name: str) -> bool:
        try:
            await self.core.read_namespaced_secret(name, self.namespace)
        except ApiException as error:
            assert error.status == 404, error
            return False
        return True

    async def end(self, pod: str, message: str) -> None:
        terminated = {"exitCode": 0, "reason": "Completed", "message": message}
        status = {
            "name": "runner",
            "image": "runner:1",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": terminated},
        }
        body = {"status": {"phase": "Succeeded", "containerStatuses": [status]}}
        await self.core.patch_namespaced_pod_status(pod, self.namespace, body)


@asynccontextmanager
async def following(server: JobPodServer) -> AsyncIterator[None]:
    task = asyncio.create_task(server.run(lambda: True))
    try:
        yield
    finally:
        task.cancel()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def calls_of(kube: Kube, kind: type[RunCalls] = RunCalls) -> RunCalls:
    return kind(kube._api, kube.namespace, timeout_seconds=10)


async def test_what_the_server_keeps_of_a_job_is_asked_without_making_one(
    kube: Kube, administrator: client.ApiClient
) -> None:
    version = await client.VersionApi(administrator).get_code()
    minor = int(re.match(r"\d+", version.minor)[0])  # type: ignore[index]
    shard = new_name()
    pods = JobPods.model_validate(PODS.model_dump(by_alias=True) | NEW_FIELDS)
    if 31 <= minor < 35:
        # These know the image of a volume, have it switched off, and refuse what is left of it.
        pods = pods.model_copy(update={"volumes": []})
    job = run_job(new_name(), shard, pods, deadline_seconds=1, s3_origin="http://s3")
    calls = calls_of(kube)
    spec = "spec.template.spec"
    since = {
        f"{spec}.containers[runner].resources.claims": 34,
        f"{spec}.initContainers[beside].restartPolicy": 29,
        f"{spec}.resourceClaims": 34,
        f"{spec}.topologySpreadConstraints[0].minDomains": 27,
        f"{spec}.volumes[style].image": 31,
        "spec.suspend": 22,
    }
    assert int(version.major) == 1
    lost = await calls.not_kept(job)
    assert set(lost) == {field for field, from_ in since.items() if minor < from_}
    assert await calls.runs(f"imagerift.dev/shard={shard}") == []


async def test_a_job_keeps_its_place_while_its_queue_admits_takes_back_and_admits_it(
    kube: Kube, administrator: client.ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_pod_server, "FOLLOW_SECONDS", 0.05)
    calls = cast(Queued, calls_of(kube, Queued))
    cluster, news, shard, name = Cluster(administrator, calls), News(), new_name(), new_name()
    server = JobPodServer(
        calls, PODS, isolation(), cast(Any, None), shard=shard, s3_origin="http://s3"
    )
    attempt = PodAttempt(f"{name}/1", 60, 600, 5, lambda _: {"attemptId": f"{name}/1"}, news)
    run = f"{name}-1"
    async with following(server):
        await until(lambda: server.ready)
        call = asyncio.create_task(server.run_attempt(attempt))
        await until(lambda: news.told == ["suspended"])
        (made,) = await cluster.jobs(shard)
        assert made[0] == run
        assert not await cluster.has_secret(run)

        await cluster.hold(run, suspended=False)
        await until(lambda: news.told[-1] == "started")
        assert await cluster.has_secret(run)
        first = await cluster.new_pods(run)

        await cluster.hold(run, suspended=True)
        await until(lambda: news.told[-1] == f"preempted by {BY_QUEUE}")
        assert not await cluster.has_secret(run)
        assert not call.done()
        assert await cluster.jobs(shard) == [made]

        await cluster.hold(run, suspended=False)
        await until(lambda: news.told[-1] == "started")
        (second,) = await cluster.new_pods(run, but=first)
        await cluster.end(second, DONE)
        assert (await call)["outputs"]
        # Its pods go with it once the garbage collector comes by.
        assert await cluster.jobs(shard) == []
        assert not await cluster.has_secret(run)


async def test_a_check_without_gpus_goes_before_the_first_pod_that_takes_one(
    kube: Kube, administrator: client.ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_pod_server, "FOLLOW_SECONDS", 0.05)
    monkeypatch.setattr(job_pod_check, "CHECK_AGAIN_SECONDS", 0.0)
    pods = JobPods.model_validate(
        {
            "namespace": "x",
            "image": "triton-gpu:1",
            "gpus": 1,
            "modelVolume": {"claimName": "weights", "mountPath": "/weights"},
            "nodeSelector": {"gpu": "l4"},
        }
    )
    calls, shard, name = calls_of(kube), new_name(), new_name()
    cluster = Cluster(administrator, cast(Queued, calls))
    server = JobPodServer(
        calls, pods, isolation(), cast(Any, None), shard=shard, s3_origin="http://s3", gate="g"
    )

    async def checking(but: str = "") -> str:
        """The name of the check's Job, once there is another."""
        async with asyncio.timeout(60):
            while True:
                found = [job for job, _ in await cluster.jobs(shard) if job != but]
                if found:
                    return found[0]
                await asyncio.sleep(0.05)

    async with following(server):
        check = await checking()
        (first,) = await cluster.new_pods(check)
        made = await cluster.core.read_namespaced_pod(first, cluster.namespace)
        (container,) = made.spec.containers
        assert not (container.resources.limits or {}) and not made.spec.node_selector
        assert container.command[-2] == "--check"
        assert not await cluster.has_secret(check)
        problem = '{"problem": {"reason": "ModelNotReady", "message": "weights are cut"}}'
        await cluster.end(first, problem)
        await until(lambda: server.trouble is not None)
        assert server.trouble is not None and "weights are cut" in server.trouble.words
        assert not server.ready

        (second,) = await cluster.new_pods(await checking(but=check))
        await cluster.end(second, '{"problem": null}')
        await until(lambda: server.ready)
        assert server.trouble is None
        assert await cluster.jobs(shard) == []

        attempt = PodAttempt(f"{name}/1", 60, 600, 5, lambda _: {"attemptId": name}, News())
        call = asyncio.create_task(server.run_attempt(attempt))
        (pod,) = await cluster.new_pods(f"{name}-1")
        made = await cluster.core.read_namespaced_pod(pod, cluster.namespace)
        (container,) = made.spec.containers
        assert container.resources.limits == {"nvidia.com/gpu": "1"}
        assert [each.name for each in container.env if each.value == "g"] == [
            "IMAGERIFT_MODERATION_MODEL"
        ]
        await cluster.end(pod, DONE)
        assert (await call)["outputs"]
