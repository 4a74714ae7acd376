"""Model servers that the operator makes; the test stands in for the node that runs their pods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from kubernetes import client, config

from tests.e2e.resources import manifest, phase_reached
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until

POOL = "burst"
SERVER = "burst-triton"
KINDS = ("deployment", "service", "pdb")


@pytest.fixture
def core(platform: PlatformUnderTest) -> Iterator[client.CoreV1Api]:
    api = config.new_client_from_config(platform.environment["KUBECONFIG"])
    with api:
        yield client.CoreV1Api(api)


def pool(platform: PlatformUnderTest, **template: Any) -> dict[str, Any]:
    port = platform.part("triton")["address"].rsplit(":", 1)[1].rstrip("/")
    return {
        "apiVersion": "imagerift.dev/v1",
        "kind": "TritonPool",
        "metadata": {"name": POOL},
        "spec": {
            "modes": ["noop"],
            "slotsPerReplica": 2,
            "template": {
                "image": "registry.example/imagerift/triton:1",
                "port": int(port),
                "gpus": 1,
                "minReplicas": 0,
                "maxReplicas": 2,
                "scaleDownAfterSeconds": 1,
                "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
                **template,
            },
        },
    }


@pytest.fixture
def burst(platform: PlatformUnderTest) -> Iterator[None]:
    platform.kubectl("apply", "-f", "-", stdin=json.dumps(pool(platform)))
    yield
    platform.kubectl("delete", "tp", POOL)
    # The next pool of this name begins with nothing.
    wait_until_gone(platform)


def read(platform: PlatformUnderTest, kind: str, name: str) -> dict[str, Any] | None:
    done = platform.kubectl("get", kind, name, "-o", "json", check=False)
    found: dict[str, Any] | None = json.loads(done.stdout) if done.returncode == 0 else None
    return found


def gone(platform: PlatformUnderTest, kind: str) -> bool:
    return read(platform, kind, SERVER) is None


def wait_until_gone(platform: PlatformUnderTest) -> None:
    for kind in KINDS:
        wait_until(partial(gone, platform, kind), seconds=90, what=f"the {kind} is gone")


def condition(platform: PlatformUnderTest, kind: str) -> dict[str, Any]:
    status = (read(platform, "tp", POOL) or {}).get("status", {})
    found: dict[str, Any] = {c["type"]: c for c in status.get("conditions", [])}.get(kind, {})
    return found


def asked_replicas(platform: PlatformUnderTest, count: int) -> None:
    def reached() -> bool:
        found = read(platform, "deployment", SERVER)
        return found is not None and found["spec"]["replicas"] == count

    wait_until(reached, seconds=30, what=f"{count} servers asked for")


def present_pods(core: client.CoreV1Api, platform: PlatformUnderTest) -> list[Any]:
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    listed = core.list_namespaced_pod(namespace, label_selector=f"imagerift.dev/pool={POOL}")
    return [pod for pod in listed.items if pod.metadata.deletion_timestamp is None]


def set_status(core: client.CoreV1Api, pod: Any, status: dict[str, Any]) -> None:
    core.patch_namespaced_pod_status(pod.metadata.name, pod.metadata.namespace, {"status": status})


@pytest.mark.usefixtures("burst")
def test_servers_come_with_the_first_job_and_go_after_the_last(
    platform: PlatformUnderTest, core: client.CoreV1Api, bound: Tenant, source: str
) -> None:
    asked_replicas(platform, 0)
    wait_until(
        lambda: condition(platform, "Ready").get("reason") == "ScaledToZero",
        seconds=15,
        what="the pool says that it is scaled to zero",
    )
    # Nothing is said of servers that there are not.
    assert condition(platform, "Unschedulable")["status"] == "Unknown"
    job = manifest("to-burst", bound, source, pool=POOL)
    platform.kubectl("apply", "-f", "-", stdin=job)
    asked_replicas(platform, 1)
    pods = wait_until(lambda: present_pods(core, platform), seconds=30, what="a pod is there")
    assert len(pods) == 1

    words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    set_status(core, pods[0], {"conditions": [unplaced | {"message": words}]})
    wait_until(
        lambda: condition(platform, "Unschedulable").get("message") == words,
        seconds=15,
        what="the pool repeats the scheduler's words",
    )
    assert condition(platform, "Unschedulable")["status"] == "True"

    placed = {"type": "PodScheduled", "status": "True", "reason": "Scheduled", "message": "ok"}
    address = {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
    set_status(core, pods[0], address | {"conditions": [placed]})
    ended = phase_reached(platform, "to-burst", "Succeeded")
    assert ended["status"]["pool"] == POOL
    # Else a pool could not be deleted while no operator runs.
    assert "finalizers" not in (read(platform, "tp", POOL) or {})["metadata"]
    asked_replicas(platform, 0)
    assert bound.counters()["reserved"] == 0


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "refused": (
        {"resources": {"requests": {"cpu": 4}, "limits": {"cpu": 2}}},
        "ApplyRefused",
        "must be less than or equal to cpu limit",
    ),
    "no-priority-class": (
        {"priorityClassName": "there-is-none"},
        "FailedCreate",
        "no PriorityClass with name there-is-none",
    ),
}


@pytest.mark.parametrize(("template", "reason", "words"), WRONG.values(), ids=WRONG)
def test_a_pool_that_cannot_have_servers_says_why(
    platform: PlatformUnderTest, template: dict[str, Any], reason: str, words: str
) -> None:
    body = pool(platform, minReplicas=1, **template)
    platform.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    try:
        wait_until(
            lambda: condition(platform, "Progressing").get("reason") == reason,
            seconds=30,
            what=f"the pool says {reason}",
        )
        assert words in condition(platform, "Progressing")["message"]
        ready = condition(platform, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", reason)
        assert condition(platform, "Unschedulable")["status"] == "Unknown"
        told_by_describe(platform, "tp", POOL, reason, words)
    finally:
        platform.kubectl("delete", "tp", POOL)
        wait_until_gone(platform)


def told_by_describe(
    platform: PlatformUnderTest, kind: str, name: str, reason: str, words: str
) -> None:
    """Waits for one Event of this reason below the object."""

    def told() -> bool:
        text = platform.kubectl("describe", kind, name).stdout
        events = [line.split() for line in text.partition("Events:")[2].splitlines()]
        found = [line for line in events if line[:2] == ["Warning", reason]]
        return len(found) == 1 and words in " ".join(found[0])

    wait_until(told, seconds=15, what=f"an Event {reason}")


def test_an_image_that_there_is_not_is_said(
    platform: PlatformUnderTest, core: client.CoreV1Api
) -> None:
    platform.kubectl("apply", "-f", "-", stdin=json.dumps(pool(platform, minReplicas=1)))
    try:
        pods = wait_until(lambda: present_pods(core, platform), seconds=30, what="a pod is there")
        words = 'Back-off pulling image "registry.example/imagerift/triton:1"'
        pull = {"waiting": {"reason": "ImagePullBackOff", "message": words}}
        container = {"name": "triton", "ready": False, "restartCount": 0, "state": pull}
        statuses = [container | {"image": "registry.example/imagerift/triton:1", "imageID": ""}]
        set_status(core, pods[0], {"containerStatuses": statuses})
        wait_until(
            lambda: condition(platform, "Ready").get("reason") == "ImagePullBackOff",
            seconds=15,
            what="the pool says that its image is not there",
        )
        assert condition(platform, "Ready")["message"] == words
        told_by_describe(platform, "tp", POOL, "ImagePullBackOff", words)
    finally:
        platform.kubectl("delete", "tp", POOL)
        wait_until_gone(platform)


def test_a_variable_that_is_given_twice_is_refused_at_once(platform: PlatformUnderTest) -> None:
    body = pool(platform, env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])
    refused = platform.kubectl("apply", "-f", "-", stdin=json.dumps(body), check=False)
    assert refused.returncode != 0
    assert "Duplicate value" in refused.stderr and '"A"' in refused.stderr


@pytest.mark.parametrize("amount", [1, "1e9", "100E", ".5"])
def test_amounts_are_written_as_in_any_manifest(platform: PlatformUnderTest, amount: Any) -> None:
    body = pool(platform, resources={"requests": {"cpu": amount}}, temporaryStorage=amount)
    platform.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(body))


@pytest.mark.parametrize("amount", [-1, 1.5, "lots"])
def test_what_is_no_amount_is_refused_at_once(platform: PlatformUnderTest, amount: Any) -> None:
    body = pool(platform, temporaryStorage=amount)
    arguments = ("apply", "--dry-run=server", "-f", "-")
    refused = platform.kubectl(*arguments, stdin=json.dumps(body), check=False)
    assert refused.returncode != 0
    assert "temporaryStorage" in refused.stderr


@pytest.mark.usefixtures("burst")
def test_what_is_changed_by_hand_is_put_back(platform: PlatformUnderTest) -> None:
    asked_replicas(platform, 0)
    for kind in KINDS:
        wait_until(partial(read, platform, kind, SERVER), seconds=30, what=kind)
    patch = '{"spec":{"replicas":5,"template":{"spec":{"automountServiceAccountToken":true}}}}'
    platform.kubectl("patch", "deployment", SERVER, "--type", "merge", "-p", patch)
    platform.kubectl("delete", "service", SERVER)
    asked_replicas(platform, 0)
    wait_until(lambda: read(platform, "service", SERVER), seconds=30, what="the Service is back")
    found = read(platform, "deployment", SERVER)
    assert found is not None
    assert found["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    budget = read(platform, "pdb", SERVER)
    assert budget is not None and budget["spec"]["maxUnavailable"] == 1


@pytest.mark.usefixtures("burst")
def test_another_autoscaler_may_scale_it(platform: PlatformUnderTest) -> None:
    asked_replicas(platform, 0)
    platform.kubectl("scale", f"tp/{POOL}", "--replicas=2")
    asked_replicas(platform, 2)
    assert (read(platform, "tp", POOL) or {})["spec"]["replicas"] == 2


def test_what_belongs_to_a_pool_goes_with_it(platform: PlatformUnderTest) -> None:
    platform.kubectl("apply", "-f", "-", stdin=json.dumps(pool(platform)))
    asked_replicas(platform, 0)
    platform.kubectl("delete", "tp", POOL)
    wait_until_gone(platform)


@pytest.mark.parametrize("both", [True, False], ids=["both", "neither"])
def test_a_pool_has_an_endpoint_or_a_template(platform: PlatformUnderTest, both: bool) -> None:
    body = pool(platform)
    if both:
        body["spec"]["endpoint"] = "http://10.0.0.7:8000"
    else:
        del body["spec"]["template"]
    refused = platform.kubectl("apply", "-f", "-", stdin=json.dumps(body), check=False)
    assert refused.returncode != 0
    assert "spec" in refused.stderr and "oneOf" in refused.stderr
