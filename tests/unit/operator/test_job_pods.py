"""Attempts that run as pods of their own, in the queue of a cluster that stands in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import pytest
from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.job_pods import JobPods
from imagerift_core.kube_calls import KubeUnavailable
from imagerift_core.kube_job_pods import RunPod, RunSeen
from imagerift_core.modes import load_modes
from imagerift_core.mongo.scheduler_snapshot import QueuePosition
from imagerift_core.triton import TritonUnavailable
from imagerift_operator import job_pod_server
from imagerift_operator.job_pod_objects import job_selector
from imagerift_operator.job_pod_runs import BY_QUEUE, PodAttempt, Run, Step
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.job_status import waiting_status
from imagerift_operator.pod_reports import PodReports
from imagerift_operator.pools import JobPodReplica, Pools
from imagerift_operator.slots import Slots
from kubernetes.aio.client.exceptions import ApiException

from tests.unit.operator.builders import START, isolation, make_entry, make_record

DONE = '{"outputs": [{"index": 0}]}'
TOLD_TO_STOP = '{"error": {"code": "canceled", "message": "", "retryable": false}}'
POD = RunPod("pod-1", True, False, None, None, None, None)
SUSPENDED = RunSeen("job-1", "uid", now(), None, suspended=True)
ADMITTED = replace(SUSPENDED, suspended=False)
LONG_AGO = -1e9


class News:
    """Keeps what is told of an attempt."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def suspended(self) -> None:
        self.told.append("suspended")

    async def started(self) -> None:
        self.told.append("started")

    async def preempted(self, by: str) -> None:
        self.told.append(f"preempted by {by}")


class Cluster:
    """The Jobs and Secrets of job pods, by name; the test plays the queue and the kubelet."""

    def __init__(self, *, lost: Sequence[str] = ()) -> None:
        self.jobs: dict[str, RunSeen] = {}
        self.made: list[str] = []
        self.secrets: list[str] = []
        self.known_jobs: dict[str, str] = {}
        self.lost = [*lost]
        self.refusal: ApiException | None = None
        self.changed = asyncio.Event()

    async def not_kept(self, _: dict[str, Any]) -> list[str]:
        if self.refusal is not None:
            raise self.refusal
        return self.lost

    async def create_job(self, job: dict[str, Any]) -> str:
        name = job["metadata"]["name"]
        self.made.append(name)
        self.jobs[name] = RunSeen(name, "uid", now(), None, suspended=job["spec"]["suspend"])
        self.known_jobs[name] = job["metadata"]["labels"]["imagerift.dev/job"]
        return "uid"

    async def create_secret(self, secret: dict[str, Any], *, job_uid: str) -> None:
        del job_uid
        self.secrets.append(secret["metadata"]["name"])

    async def delete_secret(self, name: str) -> None:
        self.secrets = [each for each in self.secrets if each != name]

    async def delete(self, name: str) -> None:
        self.jobs.pop(name, None)
        await self.delete_secret(name)

    async def runs(self, selector: str) -> list[RunSeen]:
        return [
            seen
            for name, seen in self.jobs.items()
            if selector in {job_selector("s", self.known_jobs[name]), "all"}
            or "/job=" not in selector
        ]

    def change(self, name: str, **fields: Any) -> None:
        self.jobs[name] = replace(self.jobs[name], **fields)


def run_of(**fields: Any) -> Run:
    future: Any = asyncio.get_running_loop().create_future()
    return Run(attempt_of(News()), future, LONG_AGO, **fields)


def attempt_of(
    news: News, number: int = 1, *, job_seconds: float | None = 600, asked: Any = None
) -> PodAttempt:
    def request(seconds: float) -> dict[str, Any]:
        if asked is not None:
            asked.append(seconds)
        return {"attemptId": f"job/{number}"}

    return PodAttempt(f"job/{number}", 60.0, job_seconds, 5.0, request, news)


@asynccontextmanager
async def serving(cluster: Cluster, **queue: Any) -> AsyncIterator[JobPodServer]:
    pods = JobPods.model_validate(
        {"namespace": "runners", "image": "r:1", "queue": {"name": "gpu"}} | queue
    )
    server = JobPodServer(
        cast(Any, cluster), pods, isolation(), cast(Any, None), shard="s", s3_origin="http://s3"
    )
    following = asyncio.create_task(server.run(lambda: True))
    yield server
    following.cancel()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_pod_server, "FOLLOW_SECONDS", 0.001)


async def test_a_suspended_job_keeps_its_place_however_long_it_waits() -> None:
    run = run_of(suspended=True)
    assert run.look(SUSPENDED, at=0, start_seconds=1) is Step.NOTHING
    assert not run.result.done()
    assert run.look(ADMITTED, at=0, start_seconds=1) is Step.START
    run.started(0)
    assert run.look(ADMITTED, at=1, start_seconds=1) is Step.NOTHING
    assert not run.result.done()
    run.look(ADMITTED, at=2, start_seconds=1)
    assert isinstance(run.result.exception(), TritonUnavailable)


async def test_a_preempted_pod_is_not_lost_and_the_next_one_waits_until_it_is_gone() -> None:
    run, at = run_of(), {"at": 0.0, "start_seconds": 10.0}
    run.started(0)
    run.look(replace(ADMITTED, pods=(POD,)), **at)
    # It says that it was told to stop, which is not the job's end.
    stopping = replace(POD, lost="Deleted", message=TOLD_TO_STOP)
    held = replace(SUSPENDED, pods=(stopping,))
    assert run.look(held, **at) is Step.PREEMPTED
    run.preempted(held.pods)
    assert run.look(held, **at) is Step.NOTHING
    assert run.look(replace(ADMITTED, pods=(stopping,)), **at) is Step.NOTHING
    gone = replace(ADMITTED, pods=(replace(stopping, ended=True),))
    assert run.look(gone, **at) is Step.START
    run.started(0)
    run.look(replace(gone, pods=(*gone.pods, replace(POD, uid="pod-2"))), **at)
    assert not run.result.done()


@pytest.mark.parametrize(
    ("pod", "ends"),
    [
        (replace(POD, message=DONE, ended=True), True),
        # Evicted, and it says itself that it was told to stop: tried again elsewhere.
        (replace(POD, message=TOLD_TO_STOP, lost="EvictionByEvictionAPI"), False),
        (replace(POD, message=TOLD_TO_STOP), True),
    ],
)
async def test_what_a_pod_says_is_its_answer_unless_it_was_pushed_out(
    pod: RunPod, *, ends: bool
) -> None:
    run = run_of()
    run.look(replace(ADMITTED, pods=(pod,)), at=0, start_seconds=10)
    assert (run.result.exception() is None) is ends


async def test_a_pod_that_was_done_when_its_job_was_suspended_has_delivered() -> None:
    run = run_of()
    done = replace(POD, message=DONE, ended=True)
    assert run.look(replace(SUSPENDED, pods=(done,)), at=0, start_seconds=10) is Step.NOTHING
    assert run.result.result()["outputs"]


async def test_one_job_sees_its_attempt_through_admission_preemption_and_readmission() -> None:
    cluster, news = Cluster(), News()
    asked: list[float] = []
    async with serving(cluster) as server:
        call = asyncio.create_task(server.run_attempt(attempt_of(news, asked=asked)))
        await until(lambda: news.told == ["suspended"])
        assert (cluster.secrets, server.suspended) == ([], 1)
        cluster.change("job-1", suspended=False)
        await until(lambda: news.told[-1] == "started")
        assert (cluster.secrets, server.suspended) == (["job-1"], 0)
        cluster.change("job-1", suspended=True, pods=(replace(POD, lost="Deleted"),))
        await until(lambda: news.told[-1] == f"preempted by {BY_QUEUE}")
        assert (cluster.secrets, server.suspended) == ([], 1)
        cluster.change("job-1", suspended=False, pods=())
        await until(lambda: news.told[-1] == "started")
        cluster.change("job-1", pods=(replace(POD, uid="pod-2", message=DONE),))
        assert (await call)["outputs"]
        # One Job all along, whose time began anew, and nothing is left of it.
        assert cluster.made == ["job-1"]
        assert asked == [60.0, 60.0]
        assert (cluster.jobs, cluster.secrets) == ({}, [])


async def test_a_job_that_somebody_deletes_in_its_queue_goes_back_to_ours() -> None:
    cluster = Cluster()
    async with serving(cluster) as server:
        call = asyncio.create_task(server.run_attempt(attempt_of(News(), job_seconds=5)))
        await until(lambda: cluster.made)
        await cluster.delete("job-1")
        with pytest.raises(TritonUnavailable) as lost:
            await call
        assert not lost.value.sent


async def test_only_the_jobs_own_deadline_ends_the_wait_in_a_queue() -> None:
    cluster = Cluster()
    async with serving(cluster) as server:
        answer = await server.run_attempt(attempt_of(News(), job_seconds=0.05))
        assert answer["error"]["code"] == "timeout"
        assert cluster.jobs == {}


async def test_a_job_that_waits_in_its_queue_stays_there_for_the_next_operators_attempt() -> None:
    cluster, news = Cluster(), News()
    async with serving(cluster) as server:
        call = asyncio.create_task(server.run_attempt(attempt_of(News())))
        await until(lambda: cluster.made)
        await server.give_up("job/1")
        call.cancel()
        await asyncio.wait([call])
    # What its predecessor could not take away any more is of no use to the next attempt.
    cluster.secrets.append("job-1")
    async with serving(cluster) as server:
        await server.give_up("job/1")
        call = asyncio.create_task(server.run_attempt(attempt_of(news, 2)))
        await until(lambda: news.told == ["suspended"])
        assert (cluster.made, cluster.secrets) == (["job-1"], [])
        await server.cancel("job/2")
        assert (await call)["error"]["code"] == "canceled"
        assert cluster.jobs == {}


async def test_what_runs_already_is_not_kept_for_the_next_attempt() -> None:
    cluster, news = Cluster(), News()
    async with serving(cluster) as server:
        call = asyncio.create_task(server.run_attempt(attempt_of(news)))
        await until(lambda: cluster.made)
        cluster.change("job-1", suspended=False)
        await until(lambda: "started" in news.told)
        call.cancel()
        await asyncio.wait([call])
        assert cluster.jobs == {}


async def test_a_process_that_does_not_lead_starts_nothing_that_waits() -> None:
    cluster, news = Cluster(), News()
    async with serving(cluster) as server:
        run = asyncio.create_task(server.run_attempt(attempt_of(news)))
        await until(lambda: cluster.made)
        (waiting,) = server._waiting.values()
        await server._look_at(waiting, ADMITTED, leads=False)
        assert (news.told.count("started"), cluster.secrets) == (0, [])
        run.cancel()


DEVICES = "spec.template.spec.resourceClaims"


@pytest.mark.parametrize(
    ("queue", "lost", "reason", "words"),
    [
        ({"name": "gpu"}, [], None, ""),
        ({"name": "gpu"}, ["spec.suspend"], "SuspendUnsupported", "cannot suspend Jobs"),
        ({"name": "gpu"}, [DEVICES], "FieldsNotKept", f"has not kept {DEVICES}:"),
        (None, [], None, ""),
        (None, [DEVICES], "FieldsNotKept", f"has not kept {DEVICES}:"),
    ],
)
async def test_a_server_that_does_not_keep_what_pods_need_is_found_out(
    queue: Any, lost: list[str], reason: str | None, words: str
) -> None:
    can = reason is None
    async with serving(Cluster(lost=lost), queue=queue) as server:
        assert not server.ready
        await until(lambda: server._asked is not None)
        assert server.ready is can
        assert (server.trouble and server.trouble.reason) == reason
        pods = JobPodReplica(cast(Any, server), cast(Any, None), Slots(4))
        pools = Pools(
            cast(Any, None),
            load_modes(),
            changed=asyncio.Event(),
            isolated=isolation("pools"),
            job_pods=pods,
        )
        assert pools.waiting_reason("pods") == ("waiting_for_turn" if can else "pool_unavailable")
        assert bool(pools.choose()) is bool(pools.serving()) is can
        status = waiting_status(
            make_entry("job-1", execution="Pod"),
            QueuePosition(position=1, eta_seconds=None, reason="pool_unavailable"),
            at=START,
            lacks=pools.lacks("pods"),
        )
        said = [
            (each["type"], each["status"], each["reason"]) for each in status.get("conditions", [])
        ]
        assert said == ([] if can else [("PodsReady", "False", reason)])
        assert words in status["message"]


async def test_a_preemption_is_told_counted_and_shown_and_never_hinders() -> None:
    record = make_record(status="processing", owner="operator-1", started_at=START)
    counted = record.model_copy(update={"preemptions": 2})
    jobs, writer, metrics = AsyncMock(), MagicMock(), MagicMock()
    writer.show_status = AsyncMock()
    jobs.count_preemption.return_value = counted
    news = PodReports(jobs, writer, metrics).of(make_entry("job-1"), record, MagicMock())
    await news.preempted(BY_QUEUE)
    metrics.preempted.assert_called_once_with(BY_QUEUE)
    writer.events.job_preempted.assert_called_once()
    (_, status), _ = writer.show_status.call_args
    assert (status["phase"], status["reason"], status["preemptions"], status["attempts"]) == (
        "Queued",
        "Preempted",
        2,
        1,
    )
    # Pushed out by the scheduler it goes back to our own queue, whose status says so.
    writer.show_status.side_effect = KubeUnavailable("away")
    jobs.count_preemption.side_effect = CapacityUnavailable("away")
    await news.preempted("PreemptionByScheduler")
    await news.suspended()
    assert writer.show_status.await_count == 2


@pytest.mark.parametrize(("queue", "reason"), [({"name": "gpu"}, "JobRefused"), (None, None)])
async def test_who_refuses_to_be_asked_hinders_those_alone_that_need_to_know(
    queue: Any, reason: str | None
) -> None:
    cluster = Cluster()
    words = '{"message": "admission webhook \\"w\\" does not support dry run"}'
    cluster.refusal = ApiException(status=400, reason="Bad Request")
    cluster.refusal.body = words
    async with serving(cluster, queue=queue) as server:
        await until(lambda: server._asked is not None)
        assert server.ready is (reason is None)
        assert (server.trouble and server.trouble.reason) == reason
