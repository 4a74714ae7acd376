"""Job pods that name weights: none is made before they are Ready, and each has them mounted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
from imagerift_core.job_pods import JobPods, Keeping
from imagerift_core.modes import load_modes
from imagerift_core.mongo.scheduler_snapshot import QueuePosition
from imagerift_core.triton import TritonUnavailable
from imagerift_operator import job_pod_server
from imagerift_operator.job_pod_objects import check_job, kept_job, run_job, with_weights
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.job_status import waiting_status
from imagerift_operator.pod_parts import MountedWeights
from imagerift_operator.pools import JobPodReplica, Pools
from imagerift_operator.slots import Slots
from imagerift_operator.weights import Weights
from pydantic import ValidationError

from tests.unit.operator import test_kept_pods
from tests.unit.operator.builders import START, isolation, make_entry
from tests.unit.operator.test_job_pod_check import ENDED, Cluster
from tests.unit.operator.test_job_pods import News, attempt_of, until
from tests.unit.operator.weights_bodies import body, condition, ready

PODS = JobPods.model_validate(
    {"namespace": "runners", "image": "triton-gpu:1", "gpus": 1, "weights": ["sdxl"]}
)
DOWNLOADING = {"conditions": [condition("Ready", "False", "Downloading", "It runs.")]}
REFUSED = {"conditions": [condition("Ready", "False", "LicenceNotAccepted", "Another one.")]}


def ready_body(**spec: Any) -> dict[str, Any]:
    return body(status=ready(execution="Pod", **spec), execution="Pod", **spec)


def mounted(weights: Weights) -> MountedWeights:
    return weights.mounted(PODS.weights, execution="Pod")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_pod_server, "FOLLOW_SECONDS", 0.001)


@pytest.fixture
def weights() -> Weights:
    return Weights(PODS.weights)


@asynccontextmanager
async def serving(
    cluster: Cluster, weights: Weights, **changes: Any
) -> AsyncIterator[JobPodServer]:
    server = JobPodServer(
        cast(Any, cluster),
        PODS.model_copy(update=changes),
        isolation(),
        cast(Any, None),
        shard="s",
        s3_origin="http://s3",
    )
    server.weights = partial(mounted, weights)
    following = asyncio.create_task(server.run(lambda: True))
    yield server
    following.cancel()
    await asyncio.wait([following])
    assert following.cancelled(), following.exception()


def pools_of(server: JobPodServer) -> Pools:
    return Pools(
        cast(Any, None),
        load_modes(),
        changed=asyncio.Event(),
        isolated=isolation("pools"),
        job_pods=JobPodReplica(server, cast(Any, None), Slots(4)),
    )


LACKS = [
    (DOWNLOADING, "model_loading", "WaitingForWeights", "It runs."),
    (REFUSED, "pool_unavailable", "WeightsNotReady", "Another one."),
    (None, "pool_unavailable", "WeightsNotReady", "There is no ModelWeights sdxl"),
]


@pytest.mark.parametrize("gpus", [0, 1])
@pytest.mark.parametrize("lack", LACKS, ids=["downloading", "refused", "none"])
async def test_no_job_pod_is_made_before_its_weights_are_ready_and_its_job_says_why(
    weights: Weights, lack: tuple[Any, Any, str, str], gpus: int
) -> None:
    status, waits_as, reason, words = lack
    cluster = Cluster()
    if status is not None:
        weights.observe(None, body(status=status, execution="Pod"))
    async with serving(cluster, weights, gpus=gpus) as server:
        pools = pools_of(server)
        await asyncio.sleep(0.02)
        # Not even one that only looks.
        assert cluster.bodies == [] and not server.ready and not pools.choose()
        assert pools.waiting_reason("pods") == waits_as
        said = waiting_status(
            make_entry("job-1", execution="Pod"),
            QueuePosition(position=1, eta_seconds=None, reason=waits_as),
            at=START,
            lacks=pools.lacks("pods"),
        )
        (shown,) = said["conditions"]
        assert (shown["type"], shown["status"], shown["reason"]) == ("PodsReady", "False", reason)
        assert words in shown["message"] and words in said["message"]
        weights.observe(None, ready_body())
        cluster.pods = (ENDED,)
        await until(lambda: server.ready)
        assert pools.lacks("pods") is None and pools.choose()


async def test_an_attempt_that_was_chosen_before_its_weights_went_is_not_begun(
    weights: Weights,
) -> None:
    cluster = Cluster()
    weights.observe(None, ready_body())
    async with serving(cluster, weights, gpus=0) as server:
        await until(lambda: server.ready)
        weights.observe("DELETED", ready_body())
        with pytest.raises(TritonUnavailable) as error:
            await server.run_attempt(attempt_of(News()))
        assert not error.value.sent and cluster.bodies == []


async def test_other_weights_are_looked_at_before_a_pod_takes_a_gpu_with_them(
    weights: Weights,
) -> None:
    cluster = Cluster()
    cluster.pods = (ENDED,)
    weights.observe(None, ready_body())
    async with serving(cluster, weights) as server:
        await until(lambda: server.ready)
        assert len(cluster.bodies) == 1
        cluster.pods = ()
        weights.observe(None, ready_body(files=["*.json"]))
        assert not server.ready
        await until(lambda: len(cluster.bodies) == 2)
        assert not server.ready
        name = cluster.bodies[1]["metadata"]["name"]
        cluster.say(name, pods=(ENDED,))
        await until(lambda: server.ready)
    first, second = (
        made["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][-1]["subPath"]
        for made in cluster.bodies
    )
    assert first != second


async def test_a_kept_pod_of_other_weights_is_not_reused(weights: Weights) -> None:
    cluster, servers = test_kept_pods.Cluster(), test_kept_pods.Servers()
    weights.observe(None, ready_body())
    async with serving(cast(Any, cluster), weights, gpus=0, keep=Keeping()) as server:
        assert server._kept is not None
        server._kept._connect = servers.connect
        for job in ("a", "b"):
            await server.run_attempt(test_kept_pods.attempt(job))
        assert len(cluster.made) == 1
        weights.observe(None, ready_body(files=["*.json"]))
        await server.run_attempt(test_kept_pods.attempt("c"))
        assert len(cluster.made) == 2


@pytest.mark.parametrize("kind", ["run", "check", "kept"])
def test_every_pod_has_the_weights_read_only_by_their_name(weights: Weights, kind: str) -> None:
    weights.observe(None, ready_body())
    held = mounted(weights)
    common: dict[str, Any] = {"deadline_seconds": 9, "s3_origin": "http://s3"}
    made = {
        "run": lambda: run_job("j", "s", PODS, **common),
        "check": lambda: check_job("j", "s", PODS, **common),
        "kept": lambda: kept_job("j", "s", PODS, Keeping(), **common),
    }[kind]()
    pod = with_weights(made, held)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = [one for one in container["volumeMounts"] if one["mountPath"] == "/weights/sdxl"]
    assert mount["readOnly"] is True
    (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
    assert volume["persistentVolumeClaim"]["readOnly"] is True


def test_no_other_volume_lies_where_the_weights_are() -> None:
    volume = {"claimName": "disk", "mountPath": "/weights"}
    with pytest.raises(ValidationError, match="weights are mounted below /weights"):
        JobPods.model_validate(PODS.model_dump(by_alias=True) | {"modelVolume": volume})


def test_an_engine_s_job_pods_know_it_and_hold_its_token_as_a_file_alone() -> None:
    engine = {
        "kind": "comfyui",
        "origin": "http://comfy:8188",
        "workflow": {"name": "portraits"},
        "secret": {"name": "comfy", "key": "bearer"},
    }
    env = [{"name": "IMAGERIFT_ENGINE_ORIGIN", "value": "http://other"}]
    pods = JobPods.model_validate(
        {"namespace": "n", "image": "i", "engine": engine, "env": env, "weights": []}
    )
    common: dict[str, Any] = {"deadline_seconds": 9, "s3_origin": "http://s3"}
    for made in (
        run_job("j", "s", pods, **common),
        check_job("j", "s", pods, **common),
        kept_job("j", "s", pods, Keeping(), **common),
    ):
        pod = made["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        told = {one["name"]: one.get("value") for one in container["env"]}
        assert len(told) == len(container["env"])
        assert told["IMAGERIFT_ENGINE_ORIGIN"] == "http://comfy:8188"
        assert told["IMAGERIFT_ENGINE_KIND"] == "comfyui"
        assert told["IMAGERIFT_POOL"] == "engine"
        credential = "/etc/imagerift/engine-credential"
        assert told["IMAGERIFT_ENGINE_CREDENTIAL_FILE"] == f"{credential}/bearer"
        (volume,) = [one for one in pod["volumes"] if one["name"] == "engine-credential"]
        assert volume["secret"]["secretName"] == "comfy"
        mounts = {one["name"]: one for one in container["volumeMounts"]}
        assert mounts["engine-credential"]["readOnly"] is True
        assert "engine-workflow" in mounts


def test_without_an_engine_a_variable_may_name_one() -> None:
    env = [{"name": "IMAGERIFT_ENGINE_ORIGIN", "value": "http://other"}]
    pods = JobPods.model_validate({"namespace": "n", "image": "i", "env": env})
    made = run_job("j", "s", pods, deadline_seconds=9, s3_origin="http://s3")
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert env[0] in container["env"]
