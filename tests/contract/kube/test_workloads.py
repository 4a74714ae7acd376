"""What the operator reads of model servers' pods and Deployments, on a real API server."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any

import pytest
from imagerift_core.kube import Kube
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable, words_of
from imagerift_core.kube_workloads import PodSeen, Trouble
from imagerift_core.pool_template import PoolTemplate
from imagerift_operator.pool_objects import deployment
from kubernetes.aio import client

from tests.contract.kube.bodies import new_name

ENDED = {"exitCode": 137, "reason": "OOMKilled"}
NOWHERE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def container(state: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "phase": "Running" if "running" in state else "Pending",
        "containerStatuses": [
            {
                "name": "triton",
                "image": "triton:1",
                "imageID": "",
                "ready": False,
                "started": False,
                "restartCount": 2 if last else 0,
                "state": state,
                "lastState": last or {},
            }
        ],
    }


SAID = {"reason": "Error", "message": "style: Internal:\n no such file\n"}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


async def seen(kube: Kube, administrator: client.ApiClient, status: dict[str, Any]) -> PodSeen:
    """A pod of this status, as the operator sees it."""
    core, name = client.CoreV1Api(administrator), new_name()
    label = {"test": secrets.token_hex(5)}
    pod = {
        "metadata": {"name": name, "labels": label},
        "spec": {"containers": [{"name": "triton", "image": "triton:1"}]},
    }
    await core.create_namespaced_pod(kube.namespace, pod)
    await core.patch_namespaced_pod_status(name, kube.namespace, {"status": status})
    (found,) = await kube.workloads.pods(f"test={label['test']}")
    return found


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (container(waiting("ContainerCreating")), None, ""),
        (container({"running": {}}), None, ""),
        (
            container(waiting("ImagePullBackOff", 'Back-off pulling image "none:1"')),
            "ImagePullBackOff",
            "Back-off pulling image",
        ),
        (container(waiting("CreateContainerConfigError")), "CreateContainerConfigError", ""),
        (
            container(waiting("CrashLoopBackOff"), {"terminated": ENDED | {"reason": "Error"}}),
            "CrashLoopBackOff",
            "exit code 137 (Error) and was started anew 2 time(s)",
        ),
        (container(waiting("CrashLoopBackOff"), {"terminated": ENDED}), "OOMKilled", "137"),
        (container({"running": {}}, {"terminated": ENDED}), "OOMKilled", "137"),
        (container({"terminated": ENDED | {"reason": "Error"}}), "ServerEnded", "137 (Error)"),
        (
            container(waiting("CrashLoopBackOff"), {"terminated": ENDED | SAID}),
            "CrashLoopBackOff",
            "It said: style: Internal: no such file",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": NOWHERE,
                    }
                ]
            },
            "Unschedulable",
            NOWHERE,
        ),
    ],
)
async def test_why_a_server_does_not_come_up_is_read_from_its_pod(
    kube: Kube,
    administrator: client.ApiClient,
    status: dict[str, Any],
    reason: str | None,
    words: str,
) -> None:
    trouble = (await seen(kube, administrator, status)).trouble
    assert (trouble.reason if trouble else None) == reason
    assert words in (trouble.words if trouble else "")


async def test_a_server_that_has_come_up_since_is_in_no_trouble(
    kube: Kube, administrator: client.ApiClient
) -> None:
    status = container({"running": {}}, {"terminated": ENDED})
    status["containerStatuses"][0]["started"] = True
    assert (await seen(kube, administrator, status)).trouble is None


async def test_a_pod_without_a_word_is_neither_placed_nor_in_trouble(
    kube: Kube, administrator: client.ApiClient
) -> None:
    found = await seen(kube, administrator, {"phase": "Pending"})
    assert (found.placed, found.ended, found.trouble, found.deletion_cost) == (
        False,
        False,
        None,
        0,
    )
    await kube.workloads.set_deletion_cost(found.name, 3)
    core = client.CoreV1Api(administrator)
    pod = await core.read_namespaced_pod(found.name, kube.namespace)
    assert pod.metadata.annotations == {"controller.kubernetes.io/pod-deletion-cost": "3"}


def body(**template: Any) -> dict[str, Any]:
    shape = PoolTemplate.model_validate({"image": "triton:1"} | template)
    return deployment(new_name(), new_name(), shape, replicas=1, s3_origin="http://s3")


async def test_a_refused_deployment_is_refused_in_the_servers_own_words(kube: Kube) -> None:
    wrong = {"requests": {"cpu": 4}, "limits": {"cpu": 2}}
    with pytest.raises(KubeRefused) as refused:
        await kube.workloads.apply_deployment(body(resources=wrong))
    assert "must be less than or equal to cpu limit" in words_of(refused.value)


async def test_an_apply_that_the_server_cannot_merge_says_so_however_it_answers(kube: Kube) -> None:
    twice = body()
    container = twice["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    # 500 on servers of 1.20, a refusal on newer ones.
    with pytest.raises((KubeUnavailable, KubeRefused)) as refused:
        await kube.workloads.apply_deployment(twice)
    error = refused.value
    words = error.words if isinstance(error, KubeUnavailable) else words_of(error)
    assert words is not None and 'duplicate entries for key [name="A"]' in words


# What every server that can be used keeps.
OLD_FIELDS: dict[str, Any] = {
    "env": [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ],
    "envFrom": [{"prefix": "X_", "configMapRef": {"name": "more", "optional": True}}],
    "podLabels": {"team": "a"},
    "podAnnotations": {"note": "b"},
    "nodeSelector": {"zone": "a"},
    "tolerations": [{"key": "gpu", "effect": "NoSchedule"}, {"operator": "Exists"}],
    "resources": {"requests": {"cpu": 1}, "limits": {"cpu": "2000m", "memory": "1024Mi"}},
    "volumes": [
        {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "told", "configMap": {"name": "more", "items": [{"key": "a", "path": "b"}]}},
    ],
    "volumeMounts": [
        {"name": "cache", "mountPath": "/cache"},
        {"name": "cache", "mountPath": "/more", "subPath": "more", "readOnly": True},
    ],
    "initContainers": [{"name": "first", "image": "fetch:1", "args": ["x"]}],
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {
                        "topologyKey": "zone",
                        "labelSelector": {"matchLabels": {"a": "b"}},
                    },
                }
            ]
        }
    },
    "topologySpreadConstraints": [{"topologyKey": "zone"}],
    "priorityClassName": "high",
    "schedulerName": "another",
}


async def test_what_a_server_keeps_is_not_missed(kube: Kube) -> None:
    assert (await kube.workloads.apply_deployment(body(**OLD_FIELDS))).not_kept == ()


async def test_a_claim_that_the_server_does_not_know_is_missed_or_refused(
    kube: Kube, administrator: client.ApiClient
) -> None:
    version = await client.VersionApi(administrator).get_code()
    minor = int(re.match(r"\d+", version.minor)[0])  # type: ignore[index]
    claims = [{"name": "gpu", "resourceClaimTemplateName": "h100"}]
    asked = kube.workloads.apply_deployment(body(gpus=0, resourceClaims=claims))
    if minor < 26:
        # Older ones cannot merge what they have never heard of.
        with pytest.raises(KubeUnavailable, match="field not declared in schema"):
            await asked
        return
    lost = (await asked).not_kept
    assert any("resourceClaims" in field for field in lost) is (minor < 34)


async def test_pods_that_cannot_be_made_are_the_deployments_trouble(
    kube: Kube, administrator: client.ApiClient
) -> None:
    made = body()
    name = made["metadata"]["name"]
    # The real garbage collector deletes what belongs to a pool that is not there.
    del made["metadata"]["ownerReferences"]
    assert (await kube.workloads.apply_deployment(made)).trouble is None
    words = 'pods "x" is forbidden: no PriorityClass with name none was found'
    failed = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    status = {"status": {"conditions": [failed | {"message": words}]}}
    apps = client.AppsV1Api(administrator)
    # The real controller writes the same status, and may be the faster one.
    async with asyncio.timeout(250):
        seen = None
        while seen is None or seen.trouble is None:
            await apps.patch_namespaced_deployment_status(name, kube.namespace, status)
            seen = await kube.workloads.deployment(name)
    assert (seen.replicas, seen.trouble) == (1, Trouble("FailedCreate", words))
    assert await kube.workloads.deployment(new_name()) is None
