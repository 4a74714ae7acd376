"""kill -9 of every server, one after the other, in the middle of 30 jobs: none is lost.

Nor is a word of how they ended: each is told at the second try, with the deaths in between.
"""

from __future__ import annotations

from functools import partial

import httpx
import pytest

from tests.e2e.hook_receiver import HookReceiver, receiving_hooks
from tests.e2e.tenant import TERMINAL, Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until

VICTIMS = ["operator", "api", "triton", "mongod", "seaweedfs", "kube-apiserver"]
JOBS = 30
SECRET = "/api/v1/webhooks/secret"
DELIVERIES = "/api/v1/webhooks/deliveries"
# A try that a death cut short is made again when its lease ends, after a minute.
TOLD_SECONDS = 120


@pytest.mark.timeout(900)
def test_thirty_jobs_survive_the_death_of_each_server(
    platform: PlatformUnderTest, tenant: Tenant, photo: bytes
) -> None:
    secret = tenant.request("GET", SECRET).json()["secret"]
    with receiving_hooks(platform, failures=1, secret=secret) as receiver:
        jobs = _survive(platform, tenant, photo, receiver.url)
        _assert_told(tenant, jobs, receiver)


def _survive(
    platform: PlatformUnderTest, tenant: Tenant, photo: bytes, hook: str
) -> dict[str, str]:
    """Kills everything in turn; the status that each job ended with."""
    jobs = [tenant.submitted(photo, seed=number, webhookUrl=hook) for number in range(JOBS)]
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

    def at_least(count: int) -> bool:
        return ended() >= count

    for number, victim in enumerate(VICTIMS):
        # Some jobs end between one death and the next, so each strikes work in flight.
        target = min(JOBS - len(VICTIMS), 2 * number)
        wait_until(partial(at_least, target), seconds=300, what=f"{target} jobs ended")
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
    return {job["jobId"]: job["status"] for job in final}


def _assert_told(tenant: Tenant, ended: dict[str, str], receiver: HookReceiver) -> None:
    """Each end was told under an id of its own, and can be told again."""

    def told() -> dict[str, str]:
        events = [message.verified for message in receiver.taken]
        return {event["data"]["jobId"]: event["type"] for event in events}

    wait_until(
        lambda: set(told()) == set(ended), seconds=TOLD_SECONDS, what="every job's end is told"
    )
    assert told() == {job_id: f"job.{status}" for job_id, status in ended.items()}
    assert len({message.id for message in receiver.taken}) == JOBS

    wait_until(
        lambda: len(_delivered(tenant)) == JOBS, seconds=TOLD_SECONDS, what="all are delivered"
    )
    first, came = receiver.taken[0], len(receiver.got)
    replayed = tenant.request("POST", f"{DELIVERIES}/{first.id}/replay")
    assert replayed.status_code == 202, replayed.text
    wait_until(lambda: len(receiver.got) > came, seconds=TOLD_SECONDS, what="it is told again")
    again = receiver.got[-1]
    assert again.id == first.id
    assert again.verified["data"]["jobId"] == first.verified["data"]["jobId"]


def _delivered(tenant: Tenant) -> list[object]:
    answer = tenant.request("GET", f"{DELIVERIES}?state=delivered&limit=100")
    assert answer.status_code == 200, answer.text
    data: list[object] = answer.json()["data"]
    return data
