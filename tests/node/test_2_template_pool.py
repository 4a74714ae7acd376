"""A pool whose servers come with the first job and go after the last."""

from __future__ import annotations

from tests.node.release import NAMESPACE, Release, picture
from tests.node.spare_pool import POOL, condition, servers, spare_pool
from tests.platform_under_test import wait_until


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
