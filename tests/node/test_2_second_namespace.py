"""A pool whose servers somebody else runs, in a namespace of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.node.release import NAMESPACE, Release, picture

ELSEWHERE = "gpu"
POOL = "elsewhere"
SERVERS = {"app": "triton"}


@pytest.fixture
def servers(release: Release) -> Iterator[None]:
    """A server like the release's own, run by hand in the other namespace."""
    node = release.node
    node.kubectl("create", "namespace", ELSEWHERE)
    token = node.get("-n", NAMESPACE, "secret", "imagerift-models")["data"]
    named = {"name": "imagerift-models", "namespace": ELSEWHERE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": token}
    node.quietly("kubectl", "apply", "-f", "-", stdin=json.dumps(secret))
    made = node.get("-n", NAMESPACE, "deployment", "default-triton")["spec"]["template"]["spec"]
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": SERVERS},
        "template": {
            "metadata": {"labels": SERVERS},
            "spec": made | {"terminationGracePeriodSeconds": 5},
        },
    }
    metadata = {"name": "triton", "namespace": ELSEWHERE}
    node.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": SERVERS, "ports": [{"port": 8000, "targetPort": "http"}]},
        },
    )
    node.kubectl("-n", ELSEWHERE, "rollout", "status", "deployment/triton", "--timeout=240s")
    yield
    node.kubectl("delete", "namespace", ELSEWHERE)


@pytest.mark.usefixtures("servers")
def test_a_pool_in_a_second_namespace_does_the_release_s_jobs(
    release: Release, encoded: str
) -> None:
    node = release.node
    node.transcript.chapter("A pool in a second namespace")
    node.apply(
        {
            "apiVersion": "imagerift.dev/v1",
            "kind": "TritonPool",
            "metadata": {"name": POOL, "namespace": NAMESPACE},
            "spec": {"endpoint": f"http://triton.{ELSEWHERE}.svc:8000", "modes": ["cutout"]},
        }
    )
    try:
        node.kubectl(
            *("-n", NAMESPACE, "wait", f"tp/{POOL}", "--for=condition=Ready", "--timeout=120s")
        )
        job_id = release.submit(encoded, "elsewhere", mode="cutout", onUnclearSubject="cut")
        [job] = release.ended([job_id])
        assert job["status"] == "succeeded", job
        assert picture(job["downloadUrl"]).mode == "RGBA"
        node.kubectl("-n", NAMESPACE, "get", "tp", "-o", "wide")
        node.kubectl("-n", NAMESPACE, "get", "gj", job_id, "-o", "wide")
        assert node.get("-n", NAMESPACE, "gj", job_id)["status"]["pool"] == POOL
    finally:
        node.kubectl("-n", NAMESPACE, "delete", "tp", POOL)
