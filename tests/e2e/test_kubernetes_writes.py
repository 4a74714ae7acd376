"""How often one job is written to Kubernetes, as the API server counts it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from bench.kubernetes import kubernetes_writes
from tests.e2e.resources import resource
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.puppet_jobs import submit

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


def test_a_job_that_waits_for_long_says_why_with_one_write_more(
    platform: PlatformUnderTest, make_tenant: Callable[[str], Tenant], small_photo: bytes
) -> None:
    narrow = make_tenant("narrow")
    first = submit(narrow, small_photo, hold=55)
    narrow.wait_for(first, "processing")
    before = wait_until(lambda: settled_writes(platform), seconds=120, what="nothing else writes")
    second = submit(narrow, small_photo, hold=2)
    wait_until(
        lambda: status(platform, second).get("reason") == "WorkspaceConcurrency",
        seconds=40,
        what="the job says why it waits",
    )
    said = status(platform, second)
    assert said["phase"] == "Queued" and said["queue"]["position"] >= 1
    assert said["queue"]["reason"] == said["reason"]
    told = wait_until(lambda: settled_writes(platform), seconds=60, what="nothing else writes")
    made = told - before
    assert (made["POST"], made["PUT"] + made["PATCH"]) == (1, 1)

    narrow.cancel(first)
    assert narrow.wait_for(second)["status"] == "succeeded"
    wait_until(
        lambda: status(platform, second)["phase"] == "Succeeded", seconds=30, what="its status"
    )
    assert "queue" not in status(platform, second)
    ended = wait_until(lambda: settled_writes(platform), seconds=60, what="nothing else writes")
    made = ended - told
    # The wish to cancel the first and its end; that the second runs, and its end.
    assert (made["POST"], made["PUT"] + made["PATCH"]) == (0, 4)
    # It has waited for long, so two Events say when it was sent and when it was done.
    wait_until(
        lambda: events(platform, second) == ["Completed", "Dispatched"],
        seconds=30,
        what="Events of the job that has waited",
    )
    assert events(platform, first) == []


def events(platform: PlatformUnderTest, name: str) -> list[str]:
    """The reasons of a job's Events."""
    named = f"involvedObject.name={name}"
    path = "jsonpath={.items[*].reason}"
    return sorted(
        platform.kubectl("get", "events", "--field-selector", named, "-o", path).stdout.split()
    )


def status(platform: PlatformUnderTest, name: str) -> dict[str, Any]:
    found: dict[str, Any] = resource(platform, name).get("status", {})
    return found


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
