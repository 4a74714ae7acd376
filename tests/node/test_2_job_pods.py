"""Jobs that run as pods of their own, by the configuration's rule and by a resource's own word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.node.release import NAMESPACE, RUNNERS, Release, picture
from tests.platform_under_test import wait_until

WORKSPACES = "imagerift.dev/workspaces"


def pods_of(release: Release, job_id: str) -> list[dict[str, Any]]:
    pods = release.node.get("-n", RUNNERS, "pods")["items"]
    return [pod for pod in pods if pod["metadata"]["name"].startswith(job_id)]


def running_pod(release: Release, job_id: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        pods = (pod for pod in pods_of(release, job_id) if pod["status"]["phase"] == "Running")
        return next(pods, None)

    pod: dict[str, Any] = wait_until(found, seconds=120, what=f"a pod runs {job_id}")
    return pod


def wait_clean(release: Release, job_id: str) -> None:
    def clean() -> bool:
        left = release.node.get("-n", RUNNERS, "jobs,pods,secrets")["items"]
        return not [item for item in left if job_id in item["metadata"]["name"]]

    wait_until(clean, seconds=90, what=f"{job_id} has left nothing")


@pytest.fixture(autouse=True)
def chapter(release: Release, request: pytest.FixtureRequest) -> Iterator[None]:
    words = request.node.name.removeprefix("test_").replace("_", " ")
    release.node.transcript.chapter(f"Job pods: {words}")
    yield
    assert release.node.get("-n", RUNNERS, "jobs")["items"] == []


def test_a_job_runs_in_a_pod_that_holds_nothing_but_signed_urls(
    release: Release, encoded: str
) -> None:
    node, remaining = release.node, release.remaining()
    job_id = release.submit(encoded, "alone in a pod", exportSize="2k", variations=2)
    pod = running_pod(release, job_id)
    node.kubectl("-n", RUNNERS, "get", "jobs,pods,secrets")
    written = json.dumps(pod)
    assert "X-Amz" not in written and "alone in a pod" not in written
    assert pod["spec"]["automountServiceAccountToken"] is False
    (container,) = pod["spec"]["containers"]
    assert [m["mountPath"] for m in container["volumeMounts"] if "secrets/kube" in str(m)] == []
    [job] = release.ended([job_id])
    assert job["status"] == "succeeded", job
    assert [max(picture(output["downloadUrl"]).size) for output in job["outputs"]] == [2048, 2048]
    assert release.remaining() == remaining - 2
    wait_clean(release, job_id)


def test_a_resource_asks_for_its_pod(release: Release, encoded: str) -> None:
    node = release.node
    first = release.submit(encoded, "its source is used again")
    assert release.ended([first])[0]["status"] == "succeeded"
    node.kubectl("annotate", "ns", NAMESPACE, f"{WORKSPACES}={release.workspace}")
    node.apply(
        {
            "apiVersion": "imagerift.dev/v1",
            "kind": "GenerationJob",
            "metadata": {"name": "by-hand", "namespace": NAMESPACE},
            "spec": {
                "workspace": release.workspace,
                "mode": "style",
                "prompt": "warm light",
                "execution": "Pod",
                "source": {"key": f"workspaces/{release.workspace}/jobs/{first}/source"},
            },
        }
    )
    node.kubectl(
        *("-n", NAMESPACE, "wait", "gj/by-hand", "--for=condition=Complete", "--timeout=120s")
    )
    node.kubectl("-n", NAMESPACE, "get", "gj", "by-hand", "-o", "wide")
    ended = node.get("-n", NAMESPACE, "gj", "by-hand")["status"]
    assert (ended["phase"], ended["pool"]) == ("Succeeded", "job-pods")


def test_a_pod_that_is_deleted_is_made_again_and_charged_once(
    release: Release, encoded: str
) -> None:
    remaining = release.remaining()
    job_id = release.submit(encoded, "its pod is killed", exportSize="2k")
    name = running_pod(release, job_id)["metadata"]["name"]
    release.node.kubectl("-n", RUNNERS, "delete", "pod", name, "--force", "--grace-period=0")
    [job] = release.ended([job_id])
    assert job["status"] == "succeeded", job
    assert release.remaining() == remaining - 1
    wait_clean(release, job_id)


def test_a_canceled_job_takes_its_pod_with_it(release: Release, encoded: str) -> None:
    remaining = release.remaining()
    job_id = release.submit(encoded, "given up", exportSize="2k", variations=8)
    running_pod(release, job_id)
    release.cancel(job_id)
    [job] = release.ended([job_id])
    assert job["status"] == "canceled", job
    wait_clean(release, job_id)
    assert release.remaining() == remaining
