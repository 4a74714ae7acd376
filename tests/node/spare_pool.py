"""A pool of the tests' own beside the release's, with the servers that the operator makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imagerift_node.images.build import image_name

from tests.node.release import NAMESPACE, Release
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
        node.kubectl("-n", NAMESPACE, "delete", "tp", POOL, "--ignore-not-found")
        wait_until(lambda: not servers(release), seconds=120, what="the servers are gone")


def servers(release: Release) -> list[dict[str, Any]]:
    listed = release.node.get("-n", NAMESPACE, "pods", "-l", f"imagerift.dev/pool={POOL}")
    pods: list[dict[str, Any]] = listed["items"]
    return pods


def conditions(release: Release, pool: str = POOL) -> dict[str, dict[str, Any]]:
    """A pool's conditions by their kind."""
    status = release.node.get("-n", NAMESPACE, "tp", pool).get("status", {})
    return {one["type"]: one for one in status.get("conditions", [])}


def condition(release: Release, kind: str, pool: str = POOL) -> dict[str, Any]:
    """One of a pool's conditions; nothing while it has none of the kind."""
    return conditions(release, pool).get(kind, {})
