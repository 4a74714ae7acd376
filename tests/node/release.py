"""The release of the chart on the node, and a developer's calls to it from this machine."""

from __future__ import annotations

import functools
import io
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.charts.versions import compatibility
from tests.node.node_under_test import NodeUnderTest
from tests.platform_under_test import CHECKOUT, wait_until

NAMESPACE = "imagerift"
RELEASE = "imagerift"
RUNNERS = "imagerift-runners"
S3_PORT = 30333
CHARTS = CHECKOUT / "charts"
VALUES = Path(__file__).with_name("values.yaml")
# Everything that takes part in a job, and the workload that keeps it.
WORKLOADS = (
    "statefulset/imagerift-mongodb",
    "statefulset/imagerift-s3",
    "deployment/imagerift-operator",
    "deployment/imagerift-api",
    # Made by the operator of the pool's template.
    "deployment/default-triton",
)
ENDED = {"succeeded", "failed", "canceled"}


def s3_from_outside() -> dict[str, Any]:
    """What an Ingress for S3 is in a cluster that has one: the way for this machine."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s3-from-outside", "namespace": NAMESPACE},
        "spec": {
            "type": "NodePort",
            "selector": {
                "app.kubernetes.io/part-of": "imagerift",
                "app.kubernetes.io/component": "s3",
            },
            "ports": [{"port": 8333, "targetPort": "s3", "nodePort": S3_PORT}],
        },
    }


@dataclass
class Release:
    """The installed chart, and a key of a workspace of it."""

    node: NodeUnderTest
    token: str = ""
    workspace: str = ""
    namespace: str = NAMESPACE
    values: Path = VALUES
    # More of Helm's options.
    options: tuple[str, ...] = ()
    workloads: tuple[str, ...] = WORKLOADS

    def chart(self, command: str, *more: str) -> None:
        """`helm install` or `helm upgrade` of the checkout's chart."""
        self.node.helm(
            *(command, RELEASE, str(CHARTS / "imagerift"), "-n", self.namespace),
            *("-f", str(self.values)),
            *compatibility(self.node.server_version),
            *self.options,
            *more,
        )

    def make_key(self, name: str) -> None:
        """A workspace of that name, and a key of it, which the calls below have."""
        made = self.admin("workspace", "create", "--name", name, "--plan", "business")
        self.workspace = made["workspaceId"]
        key = self.admin("key", "create", "--workspace", self.workspace, "--name", name)
        self.token = key["token"]

    def wait_up(self, seconds: int = 600) -> None:
        """Waits until every workload is rolled out and every pool is ready."""
        for workload in self.workloads:
            made = functools.partial(self._exists, workload)
            wait_until(made, seconds=seconds, what=f"{workload} is made")
            self.node.kubectl(
                *("-n", self.namespace, "rollout", "status", workload, f"--timeout={seconds}s"),
                seconds=seconds + 30,
            )
        self.node.kubectl(
            *("-n", self.namespace, "wait", "--for=condition=Ready", "tp", "--all"),
            f"--timeout={seconds}s",
            seconds=seconds + 30,
        )

    def _exists(self, workload: str) -> bool:
        found = self.node.quietly("kubectl", "-n", self.namespace, "get", workload, check=False)
        return found.returncode == 0

    def admin(self, *arguments: str) -> Any:
        """What `imagerift admin …` prints in a pod of the API."""
        command = (
            "kubectl",
            "-n",
            self.namespace,
            "exec",
            "deploy/imagerift-api",
            "-c",
            "api",
            "--",
        )
        done = self.node.quietly(*command, "imagerift", "admin", *arguments)
        return json.loads(done.stdout)

    @property
    def url(self) -> str:
        """The API's address on the node, for this machine."""
        service = self.node.get("-n", self.namespace, "service/imagerift-api")
        return f"http://{self.node.address}:{service['spec']['ports'][0]['nodePort']}"

    def curl(self, script: str, folder: Path) -> Any:
        """What the script of a seed's call prints, decoded."""
        (folder / "call.sh").write_text(script)
        done = subprocess.run(
            ["bash", str(folder / "call.sh")],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    def submit(self, photo: str, prompt: str, **fields: Any) -> str:
        """The id of an accepted job; tried again while nobody answers, with the same key."""
        body = {"mode": "style", "imageBase64": photo, "prompt": prompt} | fields
        key = prompt.replace(" ", "-")
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}

        def accepted() -> str:
            try:
                answer = httpx.post(
                    f"{self.url}/api/v1/generate",
                    json=body,
                    headers=headers,
                    timeout=30,
                    trust_env=False,
                )
            except httpx.TransportError:
                return ""
            # 409: the first try is still being worked on, or was cut off and is not given up yet.
            if answer.status_code >= 500 or answer.status_code == 409:
                return ""
            assert answer.status_code == 202, answer.text
            return str(answer.json()["jobId"])

        accepted_id: str = wait_until(accepted, seconds=240, what="a job is accepted")
        return accepted_id

    def cancel(self, job_id: str) -> None:
        """Cancels a job through the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        path = f"{self.url}/api/v1/jobs/{job_id}/cancel"
        answer = httpx.post(path, headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the API tells it, or nothing while the API does not answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.get(
                f"{self.url}/api/v1/jobs/{job_id}", headers=headers, timeout=30, trust_env=False
            )
        except httpx.TransportError:
            return {}
        if answer.status_code >= 500 or answer.status_code == 429:
            return {}
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, job_ids: Sequence[str], seconds: float = 600) -> list[dict[str, Any]]:
        """The jobs once all of them are over."""

        def all_ended() -> list[dict[str, Any]]:
            jobs = [self.job(job_id) for job_id in job_ids]
            return jobs if all(job.get("status") in ENDED for job in jobs) else []

        jobs: list[dict[str, Any]] = wait_until(all_ended, seconds=seconds, what="all jobs end")
        return jobs

    def remaining(self) -> int:
        """Units of the workspace's quota that are left."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.url}/api/v1/usage", headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["quota"]["remaining"])


def picture(url: str, *options: str) -> Image.Image:
    """The picture behind a download link, fetched by curl on this machine."""
    fetched = subprocess.run(
        ["curl", "-sS", "--fail", "--noproxy", "*", *options, url],
        capture_output=True,
        check=True,
        timeout=60,
    )
    image = Image.open(io.BytesIO(fetched.stdout))
    image.load()
    return image
