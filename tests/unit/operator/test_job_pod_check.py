"""Before a job pod takes a GPU its image is asked, without one, whether jobs could be run."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any, cast

import pytest
from imagerift_core.clock import now
from imagerift_core.job_pods import JobPods
from imagerift_core.kube_job_pods import RunPod, RunSeen
from imagerift_operator import job_pod_check, job_pod_server
from imagerift_operator.job_pod_check import JobPodCheck
from imagerift_operator.job_pod_objects import check_job, run_job
from imagerift_operator.job_pod_server import JobPodServer
from kubernetes.aio.client.exceptions import ApiException

from tests.unit.operator.builders import isolation
from tests.unit.operator.test_job_pods import News, attempt_of, until

GPUS = {
    "namespace": "runners",
    "image": "triton-gpu:1",
    "gpus": 1,
    "env": [{"name": "IMAGERIFT_POOL", "value": "gpu-l4"}],
    "modelVolume": {"claimName": "weights", "mountPath": "/weights"},
    "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4"},
    "runtimeClassName": "nvidia",
    "labels": {"kueue.x-k8s.io/queue-name": "gpu"},
    "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}},
}
FINE = '{"problem": null}'
MISSING = json.dumps({"problem": {"reason": "GateMissing", "message": "the safety gate g: none"}})
ENDED = RunPod("pod-1", True, True, "Completed", FINE, None, None)


class Cluster:
    """The Jobs of job pods; the test plays what runs the check's pod."""

    def __init__(self) -> None:
        self.jobs: dict[str, RunSeen] = {}
        self.bodies: list[dict[str, Any]] = []
        self.refuses: ApiException | None = None
        self.pods: tuple[RunPod, ...] = ()

    async def not_kept(self, _: dict[str, Any]) -> list[str]:
        return []

    async def create_job(self, job: dict[str, Any]) -> str:
        if self.refuses is not None:
            raise self.refuses
        self.bodies.append(job)
        name, uid = job["metadata"]["name"], f"uid-{len(self.bodies)}"
        self.jobs[name] = RunSeen(name, uid, now(), None, self.pods)
        return uid

    async def create_secret(self, secret: dict[str, Any], *, job_uid: str) -> None:
        del secret, job_uid

    async def delete_secret(self, name: str) -> None:
        del name

    async def delete(self, name: str) -> None:
        self.jobs.pop(name, None)

    async def runs(self, _selector: str) -> list[RunSeen]:
        return list(self.jobs.values())

    def say(self, name: str, **fields: Any) -> None:
        self.jobs[name] = replace(self.jobs[name], **fields)


def pods_of(**changes: Any) -> JobPods:
    return JobPods.model_validate(GPUS | changes)


def check_of(cluster: Cluster, **changes: Any) -> JobPodCheck:
    return JobPodCheck(
        cast(Any, cluster), pods_of(**changes), shard="s", s3_origin="http://s3", gate="g"
    )


def found(check: JobPodCheck) -> tuple[bool, str | None]:
    """Whether it has passed, and the reason why not."""
    return check.passed, None if check.trouble is None else check.trouble.reason


async def test_a_check_that_finds_all_there_is_made_once_and_leaves_nothing() -> None:
    cluster = Cluster()
    check = check_of(cluster)
    assert not check.passed
    await check.step()
    await check.step()
    assert (check.passed, len(cluster.bodies)) == (False, 1)
    cluster.say(check.name, pods=(ENDED,))
    await check.step()
    assert (check.passed, check.trouble, cluster.jobs) == (True, None, {})
    await check.step()
    assert len(cluster.bodies) == 1


@pytest.mark.parametrize(
    ("seen", "reason", "words"),
    [
        ({"pods": (replace(ENDED, message=MISSING),)}, "GateMissing", "the safety gate g"),
        ({"pods": (replace(ENDED, message="?"),)}, "SettingsWrong", "no answer that can be read"),
        (
            {"pods": (replace(ENDED, message='{"problem": {"reason": "Odd", "message": ""}}'),)},
            "SettingsWrong",
            "no answer that can be read",
        ),
        (
            {"pods": (replace(ENDED, message=None, exit_reason="OOMKilled"),)},
            "SettingsWrong",
            "ended: OOMKilled",
        ),
        ({"failed_reason": "DeadlineExceeded"}, "SettingsWrong", "ended: DeadlineExceeded"),
    ],
)
async def test_what_is_missing_is_told_and_asked_for_again_later(
    monkeypatch: pytest.MonkeyPatch, seen: dict[str, Any], reason: str, words: str
) -> None:
    cluster = Cluster()
    check = check_of(cluster)
    await check.step()
    cluster.say(check.name, **seen)
    await check.step()
    assert not check.passed
    assert check.trouble is not None and check.trouble.reason == reason
    assert words in check.trouble.words
    assert cluster.jobs == {}
    await check.step()
    assert len(cluster.bodies) == 1
    monkeypatch.setattr(job_pod_check, "CHECK_AGAIN_SECONDS", 0.0)
    cluster.pods = (ENDED,)
    await check.step()
    await check.step()
    assert found(check) == (True, None)
    # What is left of the first one's pod says nothing of the second.
    first, second = (body["metadata"]["name"] for body in cluster.bodies)
    assert first != second


async def test_a_check_that_no_node_has_a_place_for_says_so_with_the_scheduler_s_words() -> None:
    cluster = Cluster()
    cluster.pods = (RunPod("p", False, False, None, None, None, 'claim "weights" not found'),)
    check = check_of(cluster)
    await check.step()
    await check.step()
    assert check.trouble is None
    check._since = -1e9
    await check.step()
    assert check.trouble is not None and 'claim "weights" not found' in check.trouble.words


async def test_a_server_that_refuses_the_check_is_heard() -> None:
    cluster = Cluster()
    check = check_of(cluster)
    cluster.refuses = ApiException(status=403, reason="exceeded quota")
    await check.step()
    assert check.trouble is not None and check.trouble.reason == "CheckRefused"
    assert "exceeded quota" in check.trouble.words


async def test_a_check_that_somebody_deletes_is_made_anew() -> None:
    cluster = Cluster()
    check = check_of(cluster)
    await check.step()
    await cluster.delete(check.name)
    await check.step()
    await check.step()
    assert len(cluster.bodies) == 2


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({"gpus": 0}, False),
        ({"check": False}, False),
        (
            {"gpus": 0, "resourceClaims": [{"name": "g", "resourceClaimTemplateName": "h100"}]},
            True,
        ),
    ],
)
async def test_pods_without_devices_are_not_asked_about(
    changes: dict[str, Any], *, asked: bool
) -> None:
    assert check_of(Cluster(), **changes).passed is not asked


async def test_no_job_starts_before_the_check_has_passed_and_no_sweep_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_pod_server, "FOLLOW_SECONDS", 0.001)
    monkeypatch.setattr(job_pod_server, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(job_pod_server, "SWEEP_GRACE", now() - now())
    cluster = Cluster()
    server = JobPodServer(
        cast(Any, cluster),
        pods_of(labels={}),
        isolation(),
        cast(Any, None),
        shard="s",
        s3_origin="http://s3",
        gate="g",
    )
    following = asyncio.create_task(server.run(lambda: True))
    await until(lambda: cluster.bodies)
    name = cluster.bodies[0]["metadata"]["name"]
    await asyncio.sleep(0.02)
    assert name in cluster.jobs and not server.ready
    cluster.say(name, pods=(replace(ENDED, message=MISSING),))
    await until(lambda: server.trouble is not None)
    assert server.trouble is not None and server.trouble.reason == "GateMissing"
    assert not server.ready
    monkeypatch.setattr(job_pod_check, "CHECK_AGAIN_SECONDS", 0.0)
    cluster.pods = (ENDED,)
    await until(lambda: server.ready)
    assert server.trouble is None
    call = asyncio.create_task(server.run_attempt(attempt_of(News())))
    await until(lambda: "job-1" in cluster.jobs)
    (job,) = [body for body in cluster.bodies if body["metadata"]["name"] == "job-1"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "IMAGERIFT_MODERATION_MODEL", "value": "g"} in container["env"]
    following.cancel()
    call.cancel()
    await asyncio.wait([following, call])


def test_the_check_is_the_job_s_own_image_and_volumes_without_any_device() -> None:
    claims = [{"name": "c", "resourceClaimName": "gpu"}]
    pods = pods_of(resourceClaims=claims)
    common: dict[str, Any] = {"deadline_seconds": 9, "s3_origin": "http://s3", "gate": "g"}
    run = run_job("r", "s", pods, **common)
    check = check_job("c", "s", pods, **common)
    of_run, of_check = (job["spec"]["template"]["spec"] for job in (run, check))
    (runner,), (checker,) = of_run["containers"], of_check["containers"]
    for field in ("image", "env", "securityContext", "terminationMessagePath"):
        assert checker[field] == runner[field], field
    assert checker["command"][-2:] == ["--check", "/dev/termination-log"]
    assert checker["command"][:-2] == runner["command"][:-2]
    weights = {"name": "models", "mountPath": "/weights", "readOnly": True}
    assert weights in checker["volumeMounts"] and weights in runner["volumeMounts"]
    claim = {"claimName": "weights", "readOnly": True}
    assert {"name": "models", "persistentVolumeClaim": claim} in of_check["volumes"]
    # The run has its GPU, its claim, its node and its queue; the check has none, and no request.
    assert runner["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "1"}
    assert runner["resources"]["claims"] == [{"name": "c"}]
    assert checker["resources"] == {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}}
    assert run["spec"]["suspend"] is True and "suspend" not in check["spec"]
    assert {"resourceClaims", "nodeSelector", "runtimeClassName"} <= of_run.keys()
    assert not {"resourceClaims", "nodeSelector", "runtimeClassName"} & of_check.keys()
    assert "kueue.x-k8s.io/queue-name" not in check["metadata"]["labels"]
    assert [volume["name"] for volume in of_check["volumes"]] == ["tmp", "models"]
