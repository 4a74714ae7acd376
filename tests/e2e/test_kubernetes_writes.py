"""How often one job is written to Kubernetes, as the API server counts it."""

from __future__ import annotations

from collections import Counter

from bench.kubernetes import kubernetes_writes
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.puppets import submit

ENDED = {"Succeeded", "Failed", "Canceled"}


def test_a_job_of_more_than_a_second_is_made_once_and_its_status_is_written_twice(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes
) -> None:
    def phases() -> set[str]:
        shown = platform.kubectl("get", "gj", "-A", "-o", "jsonpath={.items[*].status.phase}")
        return set(shown.stdout.split())

    wait_until(lambda: phases() <= ENDED, seconds=60, what="no other job is left")
    before = Counter(kubernetes_writes(platform, refused=False))
    job_id = submit(tenant, small_photo, hold=2)
    assert tenant.wait_for(job_id)["status"] == "succeeded"
    arguments = ("get", "gj", job_id, "-o", "jsonpath={.status.phase}")
    wait_until(
        lambda: platform.kubectl(*arguments).stdout == "Succeeded", seconds=30, what="its status"
    )
    made = Counter(kubernetes_writes(platform, refused=False)) - before
    assert made["POST"] == 1
    # That it runs, and how it ended.
    assert made["PUT"] + made["PATCH"] == 2
