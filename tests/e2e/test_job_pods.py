"""Jobs as pods of their own. The test stands in for the node: it runs what each pod would run."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT, JOB_PODS, PlatformUnderTest, wait_until

RUNNERS = str(JOB_PODS["namespace"])
RULES = CHECKOUT / "charts/imagerift/files/job-pods-rules.yaml"
CONTAINER = "runner"


class Node:
    """What a kubelet does with a job pod, by hand."""

    def __init__(self, api: client.ApiClient, folder: Path) -> None:
        self.core = client.CoreV1Api(api)
        self.batch = client.BatchV1Api(api)
        self._folder = folder

    def pod_of(self, job_id: str, attempt: int = 1) -> Any:
        name = f"{job_id}-{attempt}"

        def found() -> Any:
            pods = self.core.list_namespaced_pod(RUNNERS, label_selector=f"job-name={name}")
            return next((p for p in pods.items if not p.metadata.deletion_timestamp), None)

        return wait_until(found, seconds=60, what=f"the pod of {name}")

    def request_of(self, pod: Any) -> bytes:
        """The file that the kubelet would mount."""
        (name,) = [v.secret.secret_name for v in pod.spec.volumes if v.secret]
        secret = wait_until(lambda: self._secret(name), seconds=10, what=f"Secret {name}")
        return base64.b64decode(secret.data["request.json"])

    def run(self, pod: Any) -> str:
        """Runs the pod's command in the models' environment; its termination message."""
        request = self._folder / "request.json"
        request.write_bytes(self.request_of(pod))
        return self._run(pod, str(request))

    def answer_checks(self, stop: threading.Event) -> None:
        """Runs each pod that asks whether the image has what jobs need, until `stop`."""
        while not stop.wait(0.2):
            for pod in self.core.list_namespaced_pod(RUNNERS).items:
                if pod.metadata.name.startswith("check-") and pod.status.phase == "Pending":
                    with contextlib.suppress(client.ApiException):
                        self.say_ended(pod, "Succeeded", "Completed", self._run(pod, "--check"), 0)

    def _run(self, pod: Any, asked: str) -> str:
        (container,) = pod.spec.containers
        result = self._folder / f"{pod.metadata.name}.json"
        environment = {variable.name: variable.value for variable in container.env}
        environment["PYTHONPATH"] = str(CHECKOUT / "triton_models")
        environment["IMAGERIFT_CONTROL_DIR"] = str(self._folder / "control")
        _, *module, _, _ = container.command
        subprocess.run(
            [os.environ["IMAGERIFT_TEST_MODELS_PYTHON"], *module, asked, str(result)],
            env={"PATH": os.environ["PATH"]} | environment,
            check=True,
            timeout=240,
        )
        return result.read_text()

    def say_ended(self, pod: Any, phase: str, reason: str, message: str | None, code: int) -> None:
        ended = {"exitCode": code, "reason": reason, "message": message}
        container = {
            "name": CONTAINER,
            "image": "image",
            "imageID": "id",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {k: v for k, v in ended.items() if v is not None}},
        }
        self.say(pod, {"phase": phase, "containerStatuses": [container]})

    def say(self, pod: Any, status: dict[str, Any]) -> None:
        self.core.patch_namespaced_pod_status(pod.metadata.name, RUNNERS, {"status": status})

    def left_of(self, job_id: str) -> list[str]:
        """Jobs and Secrets of a job that are still there."""
        jobs = self.batch.list_namespaced_job(RUNNERS).items
        secrets = self.core.list_namespaced_secret(RUNNERS).items
        return [i.metadata.name for i in [*jobs, *secrets] if job_id in i.metadata.name]

    def wait_clean(self, job_id: str) -> None:
        wait_until(lambda: not self.left_of(job_id), seconds=30, what=f"{job_id} left nothing")

    def _secret(self, name: str) -> Any:
        listed = self.core.list_namespaced_secret(RUNNERS).items
        return next((item for item in listed if item.metadata.name == name), None)


@pytest.fixture(scope="module")
def runners(
    platform: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[client.ApiClient]:
    """The namespace of job pods, with the rights that the chart gives there.

    Their checks are run all the while: each operator that starts makes one before it takes a GPU.
    """
    account = platform.environment["IMAGERIFT_NAMESPACE"]
    name = "imagerift-operator"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": account}
    rbac = "rbac.authorization.k8s.io/v1"
    items: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RUNNERS}},
        {
            "apiVersion": rbac,
            "kind": "Role",
            "metadata": {"name": name, "namespace": RUNNERS},
            "rules": yaml.safe_load(RULES.read_text()),
        },
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": RUNNERS},
            "roleRef": role,
            "subjects": [subject],
        },
    ]
    for item in items:
        platform.run("kubectl", "apply", "-f", "-", stdin=json.dumps(item))
    kubeconfig, stop = platform.environment["KUBECONFIG"], threading.Event()
    with (
        config.new_client_from_config(kubeconfig) as api,
        config.new_client_from_config(kubeconfig) as other,
    ):
        node = Node(other, tmp_path_factory.mktemp("checks"))
        checks = threading.Thread(target=node.answer_checks, args=(stop,))
        checks.start()
        yield api
        stop.set()
        checks.join()


@pytest.fixture
def node(runners: client.ApiClient, tmp_path: Path) -> Node:
    return Node(runners, tmp_path)


@pytest.fixture
def owner(make_tenant: Callable[[str], Tenant]) -> Tenant:
    return make_tenant("pods")


def test_a_job_runs_as_a_pod_that_holds_nothing_but_signed_urls(
    node: Node, owner: Tenant, photo: bytes
) -> None:
    job_id = owner.submitted(photo, variations=2)
    pod = node.pod_of(job_id)
    (container,) = pod.spec.containers
    assert container.resources.limits == {"nvidia.com/gpu": "1"}
    assert pod.spec.automount_service_account_token is False
    written = json.dumps(node.batch.api_client.sanitize_for_serialization(pod))
    request = json.loads(node.request_of(pod))
    assert "X-Amz-Signature" in request["source"]["url"]
    assert "X-Amz" not in written and "prompt" not in written
    node.say_ended(pod, "Succeeded", "Completed", node.run(pod), 0)
    job = owner.wait_for(job_id)
    assert job["status"] == "succeeded", job
    for output in job["outputs"]:
        assert owner.http.get(output["downloadUrl"]).status_code == 200
    assert owner.counters() == {"charged": 2, "reserved": 0, "ledger": 2}
    node.wait_clean(job_id)


def test_a_canceled_job_leaves_no_pod_and_is_not_charged(
    node: Node, owner: Tenant, photo: bytes
) -> None:
    job_id = owner.submitted(photo)
    node.pod_of(job_id)
    assert owner.cancel(job_id).status_code == 200
    assert owner.wait_for(job_id)["status"] == "canceled"
    node.wait_clean(job_id)
    assert owner.counters() == {"charged": 0, "reserved": 0, "ledger": 0}


@pytest.mark.parametrize("reason", ["Evicted", "Preempting", "NodeLost"])
def test_a_pod_that_was_pushed_out_is_tried_again_without_counting_as_a_failure(
    node: Node, owner: Tenant, photo: bytes, reason: str
) -> None:
    job_id = owner.submitted(photo)
    node.say(node.pod_of(job_id), {"phase": "Failed", "reason": reason})
    node.pod_of(job_id, attempt=2)
    assert owner.job(job_id)["status"] in {"queued", "processing"}
    owner.cancel(job_id)
    assert owner.wait_for(job_id)["status"] == "canceled"
    node.wait_clean(job_id)


def test_a_pod_that_dies_without_a_word_fails_the_attempt_alone(
    node: Node, owner: Tenant, photo: bytes
) -> None:
    job_id = owner.submitted(photo)
    node.say_ended(node.pod_of(job_id), "Failed", "OOMKilled", None, 137)
    again = node.pod_of(job_id, attempt=2)
    model_words = {"error": {"code": "no_face_found", "message": "No face.", "retryable": False}}
    node.say_ended(again, "Succeeded", "Completed", json.dumps(model_words), 0)
    job = owner.wait_for(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "no_face_found")
    node.wait_clean(job_id)
    assert owner.counters() == {"charged": 0, "reserved": 0, "ledger": 0}


def test_what_a_dead_operator_left_is_cleared_and_the_job_goes_on(
    platform: PlatformUnderTest, node: Node, owner: Tenant, photo: bytes
) -> None:
    job_id = owner.submitted(photo)
    node.pod_of(job_id)
    platform.kill("operator")
    again = node.pod_of(job_id, attempt=2)
    first = f"{job_id}-1"
    wait_until(lambda: first not in node.left_of(job_id), seconds=60, what=f"{first} is gone")
    node.say_ended(again, "Succeeded", "Completed", node.run(again), 0)
    assert owner.wait_for(job_id)["status"] == "succeeded"
    assert owner.counters() == {"charged": 1, "reserved": 0, "ledger": 1}


def test_no_more_pods_than_are_allowed(node: Node, owner: Tenant, photo: bytes) -> None:
    jobs = [owner.submitted(photo) for _ in range(3)]
    running = [job for job in jobs if owner.wait_for(job, "processing", "queued")]
    assert len(running) == 3
    for job_id in jobs[:2]:
        node.pod_of(job_id)
    assert owner.job(jobs[2])["status"] == "queued"
    for job_id in jobs:
        owner.cancel(job_id)
        assert owner.wait_for(job_id)["status"] == "canceled"
        node.wait_clean(job_id)
