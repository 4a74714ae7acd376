"""kill -9 of every server, one after the other, in the middle of 30 jobs: none is lost."""

from __future__ import annotations

import httpx
import pytest

from tests.e2e.tenant import TERMINAL, Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until

VICTIMS = ["operator", "api", "triton", "mongod", "seaweedfs", "kube-apiserver"]
JOBS = 30


@pytest.mark.timeout(900)
def test_thirty_jobs_survive_the_death_of_each_server(
    platform: PlatformUnderTest, tenant: Tenant, photo: bytes
) -> None:
    jobs = [tenant.submitted(photo, seed=number) for number in range(JOBS)]
    statuses: dict[str, str] = {}

    def look() -> None:
        for job_id in jobs:
            if statuses.get(job_id) in TERMINAL:
                continue
            try:
                answer = tenant.request("GET", f"/api/v1/jobs/{job_id}")
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                statuses[job_id] = answer.json()["status"]

    def ended() -> int:
        look()
        return sum(status in TERMINAL for status in statuses.values())

    for number, victim in enumerate(VICTIMS):
        # Some jobs end between one death and the next, so each strikes work in flight.
        target = min(JOBS - len(VICTIMS), 2 * number)
        wait_until(
            lambda target=target: ended() >= target, seconds=300, what=f"{target} jobs ended"
        )
        platform.kill(victim)
        platform.wait_ready(victim)

    wait_until(lambda: ended() == JOBS, seconds=600, what=f"all ended, but {statuses}")
    platform.wait_ready()
    final = [tenant.wait_for(job_id) for job_id in jobs]
    delivered = 0
    for job in final:
        for output in job["outputs"]:
            assert tenant.http.get(output["downloadUrl"]).status_code == 200
            delivered += 1
    assert [job["error"] for job in final if job["status"] != "succeeded"] == []
    assert tenant.counters() == {"charged": delivered, "reserved": 0, "ledger": delivered}
    assert platform.admin("audit")["differences"] == []
