"""How often one job is written to Kubernetes, as the API server counts it."""

from __future__ import annotations

import time
from collections import Counter

from bench.kubernetes import kubernetes_writes
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.puppets import submit

QUIET_SECONDS = 2.0


def test_a_job_of_more_than_a_second_is_made_once_and_its_status_is_written_twice(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes
) -> None:
    before = wait_until(lambda: settled_writes(platform), seconds=120, what="nothing else writes")
    job_id = submit(tenant, small_photo, hold=2)
    assert tenant.wait_for(job_id)["status"] == "succeeded"
    arguments = ("get", "gj", job_id, "-o", "jsonpath={.status.phase}")
    wait_until(
        lambda: platform.kubectl(*arguments).stdout == "Succeeded", seconds=30, what="its status"
    )
    made = writes(platform) - before
    assert made["POST"] == 1
    # That it runs, and how it ended.
    assert made["PUT"] + made["PATCH"] == 2


def settled_writes(platform: PlatformUnderTest) -> Counter[str] | None:
    """What was written so far, unless jobs of other tests are still being written."""
    before = writes(platform)
    time.sleep(QUIET_SECONDS)
    return before if writes(platform) == before else None


def writes(platform: PlatformUnderTest) -> Counter[str]:
    """Without deletions, which come when their time is over."""
    counts = Counter({"POST": 0.0} | kubernetes_writes(platform, refused=False))
    del counts["DELETE"]
    return counts
