"""Job pods that are kept: who gets one, how long it stays, what becomes of its job without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from imagerift_core.clock import now
from imagerift_core.job_pods import JobPods
from imagerift_core.kube_job_pods import RunPod, RunSeen
from imagerift_core.triton import ModelServer, TritonUnavailable
from imagerift_operator import job_pod_server, kept_pods
from imagerift_operator.job_pod_objects import kept_job
from imagerift_operator.job_pod_runs import PodAttempt, PodLost
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.kept_pods import KeptPods
from pydantic import ValidationError

from tests.unit.operator.builders import isolation
from tests.unit.operator.test_job_pods import News, until

PODS = JobPods.model_validate(
    {"namespace": "runners", "image": "r:1", "maxPods": 2, "keep": {"idleSeconds": 60}}
)
assert PODS.keep is not None
KEEP = PODS.keep


class Cluster:
    """Jobs whose pods run as soon as they are made, unless `starts` is false."""

    def __init__(self) -> None:
        self.jobs: dict[str, RunSeen] = {}
        self.made: list[dict[str, Any]] = []
        self.secrets: list[dict[str, Any]] = []
        self.starts = True

    async def not_kept(self, _: dict[str, Any]) -> list[str]:
        return []

    async def create_job(self, job: dict[str, Any]) -> str:
        name = job["metadata"]["name"]
        self.made.append(job)
        pod = RunPod(name, self.starts, False, None, None, None, None, f"10.0.0.{len(self.made)}")
        self.jobs[name] = RunSeen(name, "uid", now(), None, (pod,))
        return "uid"

    async def create_secret(self, secret: dict[str, Any], *, job_uid: str) -> None:
        assert job_uid == "uid"
        self.secrets.append(secret)

    async def delete(self, name: str) -> None:
        self.jobs.pop(name, None)

    async def runs(self, _selector: str) -> list[RunSeen]:
        return list(self.jobs.values())


class Servers:
    """What the pods' servers answer, and what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.loaded = True
        self.answers = asyncio.Event()
        self.answers.set()
        self.fails: Exception | None = None

    @asynccontextmanager
    async def connect(self, endpoint: str, token: str) -> AsyncIterator[ModelServer]:
        servers = self

        class Server:
            async def ready_models(self, names: list[str]) -> list[str]:
                return names if servers.loaded else []

            async def call(
                self, model: str, request: dict[str, Any], *, timeout_seconds: float
            ) -> dict[str, Any]:
                del timeout_seconds
                assert model == "generate"
                servers.asked.append((endpoint, token, request))
                await servers.answers.wait()
                if servers.fails is not None:
                    raise servers.fails
                return {"outputs": [{"index": 0}]}

        yield cast(ModelServer, Server())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_pods, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(job_pod_server, "FOLLOW_SECONDS", 0.001)


def attempt(job: str, kind: str = "ws/style", seconds: float = 60) -> PodAttempt:
    name = f"{job}/1"
    return PodAttempt(name, seconds, 600, 5, lambda _: {"attemptId": name}, News(), kind)


@asynccontextmanager
async def keeping(cluster: Cluster, servers: Servers, **changes: Any) -> AsyncIterator[KeptPods]:
    config = PODS.model_copy(update=changes)
    kept = KeptPods(
        cast(Any, cluster),
        config,
        config.keep or KEEP,
        shard="s",
        s3_origin="http://s3",
        gate="g",
        connect=servers.connect,
    )

    async def follow() -> None:
        while True:
            await kept.follow(await cluster.runs(""))
            await asyncio.sleep(0.001)

    following = asyncio.create_task(follow())
    yield kept
    following.cancel()
    await asyncio.wait([following])
    assert following.cancelled(), following.exception()


async def test_the_next_job_of_a_workspace_and_mode_gets_the_pod_that_is_there() -> None:
    cluster, servers = Cluster(), Servers()
    async with keeping(cluster, servers) as kept:
        for job in ("a", "b"):
            assert (await kept.run_attempt(attempt(job)))["outputs"]
        assert len(cluster.made) == 1 and len(cluster.jobs) == 1
        (first, second) = servers.asked
        assert first[:2] == second[:2]
        assert [call[2]["attemptId"] for call in servers.asked] == ["a/1", "b/1"]
        # Its token is its own, and is in the Secret that it alone mounts.
        assert len(first[1]) >= 32


@pytest.mark.parametrize("other", ["another/style", "ws/avatar"])
async def test_no_pod_serves_another_workspace_or_mode(other: str) -> None:
    cluster, servers = Cluster(), Servers()
    async with keeping(cluster, servers) as kept:
        await kept.run_attempt(attempt("a"))
        await kept.run_attempt(attempt("b", other))
        assert len(cluster.made) == 2
        (first, second) = servers.asked
        assert first[0] != second[0] and first[1] != second[1]


async def test_two_jobs_at_once_have_two_pods_and_an_idle_one_makes_room_for_a_third() -> None:
    cluster, servers = Cluster(), Servers()
    servers.answers.clear()
    async with keeping(cluster, servers) as kept:
        calls = [asyncio.create_task(kept.run_attempt(attempt(job))) for job in "ab"]
        await until(lambda: len(servers.asked) == 2)
        assert len(cluster.jobs) == 2
        servers.answers.set()
        await asyncio.wait(calls)
        await kept.run_attempt(attempt("c", "another/style"))
        # At most maxPods: one that waited for its next job went.
        assert (len(cluster.made), len(cluster.jobs)) == (3, 2)


async def test_a_pod_that_waited_its_time_goes() -> None:
    cluster, servers = Cluster(), Servers()
    async with keeping(cluster, servers) as kept:
        await kept.run_attempt(attempt("a"))
        await asyncio.sleep(0.01)
        assert len(cluster.jobs) == 1
        (pod,) = kept._pods.values()
        pod.idle_since = -1e9
        await until(lambda: not cluster.jobs)
        assert len(kept) == 0


async def test_a_pod_that_is_too_old_for_the_job_is_not_taken() -> None:
    cluster, servers = Cluster(), Servers()
    async with keeping(cluster, servers) as kept:
        await kept.run_attempt(attempt("a"))
        (pod,) = kept._pods.values()
        pod.since -= kept_pods.LIFETIME_SECONDS - 10
        await kept.run_attempt(attempt("b"))
        assert len(cluster.made) == 2


async def test_a_pod_that_goes_takes_nothing_with_it() -> None:
    cluster, servers = Cluster(), Servers()
    servers.answers.clear()
    async with keeping(cluster, servers) as kept:
        call = asyncio.create_task(kept.run_attempt(attempt("a")))
        await until(lambda: servers.asked)
        (name,) = cluster.jobs
        lost = RunPod(name, True, False, None, None, "PreemptionByScheduler", None, "10.0.0.1")
        cluster.jobs[name] = RunSeen(name, "uid", now(), None, (lost,))
        with pytest.raises(PodLost) as error:
            await call
        assert error.value.is_preemption and not error.value.sent
        assert (len(kept), cluster.jobs) == (0, {})


async def test_a_pod_that_goes_while_it_waits_is_not_given_to_a_job() -> None:
    cluster, servers = Cluster(), Servers()
    async with keeping(cluster, servers) as kept:
        await kept.run_attempt(attempt("a"))
        cluster.jobs.clear()
        await until(lambda: len(kept) == 0)
        assert (await kept.run_attempt(attempt("b")))["outputs"]
        assert len(cluster.made) == 2


async def test_a_server_that_does_not_answer_is_not_kept() -> None:
    cluster, servers = Cluster(), Servers()
    servers.fails = TritonUnavailable("ServerDisconnectedError", sent=True)
    async with keeping(cluster, servers) as kept:
        with pytest.raises(TritonUnavailable):
            await kept.run_attempt(attempt("a"))
        assert (len(kept), cluster.jobs) == (0, {})


async def test_a_pod_that_does_not_start_or_load_in_time_is_given_up() -> None:
    cluster, servers = Cluster(), Servers()
    async with keeping(cluster, servers, start_seconds=0.02) as kept:
        cluster.starts = False
        with pytest.raises(TritonUnavailable) as error:
            await kept.run_attempt(attempt("a"))
        assert not error.value.sent
        cluster.starts, servers.loaded = True, False
        answer = await kept.run_attempt(attempt("b", seconds=0.05))
        assert answer["error"]["code"] == "timeout"


async def test_a_canceled_job_ends_with_its_pod_and_one_that_is_given_up_too() -> None:
    cluster, servers = Cluster(), Servers()
    servers.answers.clear()
    async with keeping(cluster, servers) as kept:
        call = asyncio.create_task(kept.run_attempt(attempt("a")))
        await until(lambda: servers.asked)
        assert not await kept.cancel("b/1")
        assert await kept.cancel("a/1")
        assert (await call)["error"]["code"] == "canceled"
        assert (len(kept), cluster.jobs) == (0, {})
        call = asyncio.create_task(kept.run_attempt(attempt("c")))
        await until(lambda: len(servers.asked) == 2)
        call.cancel()
        await asyncio.wait([call])
        assert (len(kept), cluster.jobs) == (0, {})


async def test_what_is_kept_is_swept_by_whoever_comes_after_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_pod_server, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(job_pod_server, "SWEEP_GRACE", now() - now())
    cluster, servers = Cluster(), Servers()

    def serving() -> JobPodServer:
        return JobPodServer(
            cast(Any, cluster), PODS, isolation(), cast(Any, None), shard="s", s3_origin="http://s3"
        )

    first = serving()
    assert first._kept is not None
    first._kept._connect = servers.connect
    following = asyncio.create_task(first.run(lambda: True))
    for job in ("a", "b"):
        assert (await first.run_attempt(attempt(job)))["outputs"]
        await asyncio.sleep(0.02)
    assert len(cluster.made) == 1 and len(cluster.jobs) == 1
    following.cancel()
    await asyncio.wait([following])
    following = asyncio.create_task(serving().run(lambda: True))
    await until(lambda: not cluster.jobs)
    following.cancel()
    await asyncio.wait([following])


def test_a_kept_pod_is_a_server_of_the_image_with_a_token_of_its_own() -> None:
    made = kept_job("kept-1", "s", PODS, KEEP, deadline_seconds=9, s3_origin="http://s3", gate="g")
    spec = made["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["command"] == ["imagerift-triton"]
    told = {variable["name"]: variable["value"] for variable in container["env"]}
    assert told["IMAGERIFT_FRONT_TOKEN_FILE"] == "/run/imagerift/model-token"
    assert told["IMAGERIFT_MODERATION_MODEL"] == "g"
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["token"] == {"name": "token", "secret": {"secretName": "kept-1"}}
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    "queue", [{"queue": {"name": "gpu"}}, {"labels": {"kueue.x-k8s.io/queue-name": "gpu"}}]
)
def test_no_pod_is_kept_in_a_cluster_s_queue(queue: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="would hold its place in the queue"):
        JobPods.model_validate({"namespace": "n", "image": "i", "keep": {"idleSeconds": 1}} | queue)
