"""Pools that cannot work, each broken in another way: kubectl says what is wrong with each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from imagerift_node.images.build import image_name

from tests.node.release import NAMESPACE, Release
from tests.node.spare_pool import POOL, conditions, spare_pool
from tests.platform_under_test import wait_until

QUOTA = "no-gpus"
# Answers on the server's port, and knows none of its paths.
ANOTHER_SERVER = ["python3", "-m", "http.server", "8000"]


@dataclass(frozen=True)
class Broken:
    """A template's change, and the reason and words that its pool shows for it."""

    template: dict[str, Any]
    reasons: set[str]
    words: str
    unschedulable: str = "False"
    quota: bool = False


BROKEN = {
    "an image that is not there": Broken(
        {"image": image_name("triton") + "-of-nobody", "imagePullPolicy": "IfNotPresent"},
        {"ErrImagePull", "ImagePullBackOff"},
        "imagerift/triton",
    ),
    "a model that does not load": Broken(
        # The file of a pool with a GPU, in the image that has no code for one.
        {"env": [{"name": "IMAGERIFT_POOL", "value": "gpu"}]},
        {"ServerEnded", "CrashLoopBackOff"},
        "diffusion",
    ),
    "a probe that fails": Broken(
        {
            "command": ANOTHER_SERVER,
            "startupSeconds": 10,
            "drainSeconds": 1,
            "drainCommand": ["true"],
        },
        {"ServerEnded", "CrashLoopBackOff"},
        "The server ended with exit code",
    ),
    "a server that the API server refuses": Broken(
        {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        {"ApplyRefused"},
        "cpu limit",
        unschedulable="Unknown",
    ),
    "a quota that is used up": Broken(
        {"gpus": 1}, {"FailedCreate"}, QUOTA, unschedulable="Unknown", quota=True
    ),
    "no node that fits": Broken(
        {"nodeSelector": {"cloud.example/gpu": "l4"}},
        {"Unschedulable"},
        "0/1 nodes are available",
        unschedulable="True",
    ),
    "a GPU where there is none": Broken(
        {"gpus": 1},
        {"Unschedulable"},
        "Insufficient nvidia.com/gpu",
        unschedulable="True",
    ),
    "a server that ends at once": Broken(
        {"command": ["python3", "-c", "raise SystemExit('no such file: pool.json')"]},
        {"CrashLoopBackOff"},
        "exit code 1",
    ),
}


@contextmanager
def quota_of_no_gpus(release: Release) -> Iterator[None]:
    release.node.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": QUOTA, "namespace": NAMESPACE},
            "spec": {"hard": {"requests.nvidia.com/gpu": "0"}},
        }
    )
    try:
        yield
    finally:
        release.node.kubectl("-n", NAMESPACE, "delete", "resourcequota", QUOTA)


@pytest.mark.parametrize("how", BROKEN)
def test_a_pool_says_why_it_cannot_work(release: Release, how: str) -> None:
    node, broken = release.node, BROKEN[how]
    node.transcript.chapter(f"A broken pool: {how}")

    def told() -> dict[str, dict[str, Any]]:
        found = conditions(release)
        return found if found.get("Ready", {}).get("reason") in broken.reasons else {}

    with (
        quota_of_no_gpus(release) if broken.quota else nullcontext(),
        spare_pool(release, minReplicas=1, **broken.template),
    ):
        what = f"the pool says {' or '.join(sorted(broken.reasons))}"
        found = wait_until(told, seconds=240, what=what)
        ready = found["Ready"]
        assert (ready["status"], found["Progressing"]["status"]) == ("False", "False")
        assert broken.words in ready["message"]
        assert found["Progressing"]["message"] == ready["message"]
        assert found["Unschedulable"]["status"] == broken.unschedulable
        node.kubectl("-n", NAMESPACE, "get", "tp", POOL)
        printed = node.kubectl("-n", NAMESPACE, "describe", "tp", POOL)
        assert broken.words in printed
