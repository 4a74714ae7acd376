"""A pool whose servers come with the first job and go after the last, and one without a place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imagerift_node.images.build import image_name

from tests.node.release import NAMESPACE, Release, picture
from tests.platform_under_test import wait_until

POOL = "spare"


@contextmanager
def spare_pool(release: Release, **template: Any) -> Iterator[None]:
    """A pool for one mode, gone with all that was made of it in the end."""
    node = release.node
    node.apply(
        {
            "apiVersion": "imagerift.dev/v1",
            "kind": "TritonPool",
            "metadata": {"name": POOL, "namespace": NAMESPACE},
            "spec": {
                "modes": ["enhance"],
                "slotsPerReplica": 1,
                "template": {
                    "image": image_name("triton"),
                    "imagePullPolicy": "Never",
                    "gpus": 0,
                    "minReplicas": 0,
                    "maxReplicas": 1,
                    "scaleDownAfterSeconds": 5,
                    **template,
                },
            },
        }
    )
    try:
        yield
    finally:
        node.kubectl("-n", NAMESPACE, "delete", "tp", POOL)
        wait_until(lambda: not servers(release), seconds=120, what="the servers are gone")


def servers(release: Release) -> list[dict[str, Any]]:
    listed = release.node.get("-n", NAMESPACE, "pods", "-l", f"imagerift.dev/pool={POOL}")
    pods: list[dict[str, Any]] = listed["items"]
    return pods


def condition(release: Release, kind: str) -> dict[str, Any]:
    status = release.node.get("-n", NAMESPACE, "tp", POOL).get("status", {})
    found: dict[str, Any] = {c["type"]: c for c in status.get("conditions", [])}.get(kind, {})
    return found


def test_a_server_comes_with_the_first_job_and_goes_after_the_last(
    release: Release, encoded: str
) -> None:
    node = release.node
    node.transcript.chapter("A pool that scales to zero")
    with spare_pool(release):
        wait_until(
            lambda: condition(release, "Ready").get("reason") == "ScaledToZero",
            seconds=60,
            what="the pool waits for a job",
        )
        assert servers(release) == []
        job_id = release.submit(encoded, "sharper", mode="enhance")
        [job] = release.ended([job_id])
        assert job["status"] == "succeeded", job
        assert picture(job["downloadUrl"]).width > 0
        node.kubectl("-n", NAMESPACE, "get", "pods", "-l", f"imagerift.dev/pool={POOL}")
        wait_until(lambda: not servers(release), seconds=120, what="the server is gone")
        node.kubectl("-n", NAMESPACE, "get", "tp")


def test_a_pool_without_a_place_repeats_the_schedulers_words(release: Release) -> None:
    node = release.node
    node.transcript.chapter("A pool that asks for a GPU where there is none")
    with spare_pool(release, gpus=1, minReplicas=1):
        wait_until(
            lambda: condition(release, "Unschedulable").get("status") == "True",
            seconds=120,
            what="the pool says that it has no place",
        )
        words = condition(release, "Unschedulable")["message"]
        assert "Insufficient nvidia.com/gpu" in words
        node.kubectl("-n", NAMESPACE, "describe", "tp", POOL)
