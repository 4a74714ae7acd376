"""Job pods that a queue holds, lets run and takes back; the tests play the queue, as Kueue is one.

Where the server is too old to suspend Jobs the operator says so. There the other tests give its
pods the stand-in of `tests/support/queue_of_old_servers.py`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.node.release import NAMESPACE, RUNNERS, Release, picture
from tests.node.test_2_job_pods import WORKSPACES, pods_of, running_pod, wait_clean
from tests.platform_under_test import wait_until
from tests.support import queue_of_old_servers

QUEUE = {"name": "gpu", "priorityClass": "batch"}
FIRST_TO_SUSPEND = (1, 22)
STAND_IN = "/opt/stand-in"
# What Python itself imports first.
PUT_IN_PLACE = """
import imagerift_core.kube_job_pods as calls
from queue_of_old_servers import Queued
calls.RunCalls = Queued
"""
DEADLINE_SECONDS = 30


@pytest.fixture(scope="module")
def keeps_suspend(release: Release) -> bool:
    major, minor = re.findall(r"\d+", release.node.server_version)[:2]
    return (int(major), int(minor)) >= FIRST_TO_SUSPEND


@pytest.fixture(scope="module", autouse=True)
def queue(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Values by which job pods wait in a queue; the release is as it was in the end."""
    release.node.transcript.chapter("Job pods in a queue")
    values = tmp_path_factory.mktemp("values") / "queue.yaml"
    values.write_text(yaml.safe_dump({"jobPods": {"queue": QUEUE}}))
    yield values
    release.chart("upgrade")
    release.wait_up()


def test_a_server_that_cannot_suspend_is_told_of_and_no_job_runs_out_of_turn(
    release: Release, encoded: str, queue: Path, keeps_suspend: bool
) -> None:
    if keeps_suspend:
        pytest.skip("this server can suspend Jobs")
    node = release.node
    release.chart("upgrade", "-f", str(queue))
    release.wait_up()
    job_id = release.submit(encoded, "where nothing can wait", exportSize="2k")

    def told() -> dict[str, Any]:
        found = status_of(release, job_id).get("conditions", [])
        return next((one for one in found if one["type"] == "PodsReady"), {})

    condition = wait_until(told, seconds=90, what="the job says what it lacks")
    assert (condition["status"], condition["reason"]) == ("False", "SuspendUnsupported")
    node.kubectl("-n", NAMESPACE, "describe", "gj", job_id)
    assert node.get("-n", RUNNERS, "jobs")["items"] == []
    release.cancel(job_id)


@pytest.fixture(scope="module")
def queued(
    release: Release, queue: Path, keeps_suspend: bool, tmp_path_factory: pytest.TempPathFactory
) -> Release:
    """The release, whose job pods wait until a test lets them run."""
    more = queue
    if not keeps_suspend:
        files = {
            "queue_of_old_servers.py": Path(queue_of_old_servers.__file__).read_text(),
            "sitecustomize.py": PUT_IN_PLACE,
        }
        metadata = {"name": "stand-in", "namespace": NAMESPACE}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}
        release.node.quietly("kubectl", "apply", "-f", "-", stdin=json.dumps(made))
        operator = {
            "env": {"PYTHONPATH": STAND_IN},
            "extraVolumes": [{"name": "stand-in", "configMap": {"name": "stand-in"}}],
            "extraVolumeMounts": [{"name": "stand-in", "mountPath": STAND_IN, "readOnly": True}],
        }
        more = tmp_path_factory.mktemp("values") / "stand-in.yaml"
        more.write_text(yaml.safe_dump({"operator": operator}))
    release.chart("upgrade", "-f", str(queue), "-f", str(more))
    release.wait_up()
    return release


def status_of(release: Release, job_id: str) -> dict[str, Any]:
    status: dict[str, Any] = release.node.get("-n", NAMESPACE, "gj", job_id).get("status", {})
    return status


def wait_for_reason(release: Release, job_id: str, reason: str) -> dict[str, Any]:
    status: dict[str, Any] = wait_until(
        lambda: (found := status_of(release, job_id)).get("reason") == reason and found,
        seconds=120,
        what=f"{job_id} is {reason}",
    )
    return status


def job_of(release: Release, job_id: str) -> dict[str, Any]:
    """The one Job of a GenerationJob."""
    jobs = release.node.get("-n", RUNNERS, "jobs")["items"]
    found = [job for job in jobs if job["metadata"]["name"].startswith(job_id)]
    assert len(found) == 1, found
    return dict(found[0]["metadata"])


def told(release: Release, job_id: str, *, suspended: bool, keeps_suspend: bool) -> None:
    """The queue's word on its Job."""
    patch = queue_of_old_servers.word(suspended=suspended, keeps_suspend=keeps_suspend)
    name = job_of(release, job_id)["name"]
    release.node.kubectl(
        *("-n", RUNNERS, "patch", "job", name, "--type=merge", "-p", json.dumps(patch))
    )


def has_secret(release: Release, name: str) -> bool:
    found = release.node.get("-n", RUNNERS, "secrets")["items"]
    return name in {secret["metadata"]["name"] for secret in found}


def test_a_job_that_its_queue_takes_back_keeps_its_place_and_is_charged_once(
    queued: Release, encoded: str, keeps_suspend: bool
) -> None:
    node, remaining = queued.node, queued.remaining()
    job_id = queued.submit(encoded, "let in twice", exportSize="2k", variations=2)
    wait_for_reason(queued, job_id, "Suspended")
    made = job_of(queued, job_id)
    assert made["labels"]["kueue.x-k8s.io/queue-name"] == QUEUE["name"]
    assert pods_of(queued, job_id) == [] and not has_secret(queued, made["name"])
    node.kubectl("-n", RUNNERS, "get", "jobs,pods")
    node.kubectl("-n", NAMESPACE, "get", "gj", job_id, "-o", "wide")

    told(queued, job_id, suspended=False, keeps_suspend=keeps_suspend)
    running_pod(queued, job_id)
    assert has_secret(queued, made["name"])
    node.kubectl("-n", RUNNERS, "get", "jobs,pods")

    told(queued, job_id, suspended=True, keeps_suspend=keeps_suspend)
    status = wait_for_reason(queued, job_id, "Preempted")
    assert (status["phase"], status["preemptions"], status["attempts"]) == ("Queued", 1, 1)
    assert not has_secret(queued, made["name"])
    assert job_of(queued, job_id)["uid"] == made["uid"]
    node.kubectl("-n", NAMESPACE, "get", "gj", job_id, "-o", "wide")
    printed = node.kubectl("-n", NAMESPACE, "describe", "gj", job_id)
    assert "Its queue gave its place to others, 1 time(s) so far." in printed

    told(queued, job_id, suspended=False, keeps_suspend=keeps_suspend)
    [job] = queued.ended([job_id])
    assert job["status"] == "succeeded", job
    assert [max(picture(output["downloadUrl"]).size) for output in job["outputs"]] == [2048, 2048]
    status = status_of(queued, job_id)
    assert (status["attempts"], status["preemptions"]) == (1, 1)
    node.kubectl("-n", NAMESPACE, "get", "gj", job_id, "-o", "wide")
    assert queued.remaining() == remaining - 2
    wait_clean(queued, job_id)


def test_a_job_keeps_its_place_over_the_end_of_the_operator(
    queued: Release, encoded: str, keeps_suspend: bool
) -> None:
    node, remaining = queued.node, queued.remaining()
    job_id = queued.submit(encoded, "its operator ends", exportSize="2k")
    wait_for_reason(queued, job_id, "Suspended")
    made = job_of(queued, job_id)
    node.kubectl(
        *("-n", NAMESPACE, "delete", "pods", "-l", "app.kubernetes.io/component=operator"),
        "--wait=true",
    )
    wait_until(
        lambda: (
            (found := status_of(queued, job_id)).get("attempts") == 2
            and found.get("reason") == "Suspended"
        ),
        seconds=120,
        what="the next operator has taken it over",
    )
    assert job_of(queued, job_id)["uid"] == made["uid"]
    told(queued, job_id, suspended=False, keeps_suspend=keeps_suspend)
    [job] = queued.ended([job_id])
    assert job["status"] == "succeeded", job
    assert queued.remaining() == remaining - 1
    wait_clean(queued, job_id)


def test_the_deadline_of_a_job_passes_in_its_queue_as_it_does_elsewhere(
    queued: Release, encoded: str
) -> None:
    node = queued.node
    first = queued.submit(encoded, "its source waits in a queue")
    assert queued.ended([first])[0]["status"] == "succeeded"
    node.kubectl("annotate", "--overwrite", "ns", NAMESPACE, f"{WORKSPACES}={queued.workspace}")
    remaining, began = queued.remaining(), time.monotonic()
    node.apply(
        {
            "apiVersion": "imagerift.dev/v1",
            "kind": "GenerationJob",
            "metadata": {"name": "late", "namespace": NAMESPACE},
            "spec": {
                "workspace": queued.workspace,
                "mode": "style",
                "prompt": "warm light",
                "execution": "Pod",
                "activeDeadlineSeconds": DEADLINE_SECONDS,
                "source": {"key": f"workspaces/{queued.workspace}/jobs/{first}/source"},
            },
        }
    )
    wait_for_reason(queued, "late", "Suspended")
    node.kubectl("-n", NAMESPACE, "wait", "gj/late", "--for=condition=Failed", "--timeout=120s")
    assert time.monotonic() - began > DEADLINE_SECONDS - 5
    node.kubectl("-n", NAMESPACE, "get", "gj", "late", "-o", "wide")
    uid = status_of(queued, "late")["jobId"]
    [job] = queued.ended([uid])
    assert (job["status"], job["error"]["code"]) == ("failed", "timeout")
    assert queued.remaining() == remaining
    wait_clean(queued, uid)
