"""Jobs whose model does what they tell it, and what tests ask of them in the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.tenant import TERMINAL, Tenant
from tests.platform_under_test import wait_until
from tests.support.own_shard import Shard


def submit(
    tenant: Tenant,
    photo: bytes,
    *,
    mode: str = "puppet",
    seed: int = 0,
    variations: int = 1,
    **told: Any,
) -> str:
    """A job whose model is told to `hold` or to `fail`; see `tests/models/puppet`."""
    prompt = json.dumps(told)
    return tenant.submitted(photo, mode=mode, prompt=prompt, seed=seed, variations=variations)


def submit_all(tenant: Tenant, photo: bytes, count: int, **told: Any) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda seed: submit(tenant, photo, seed=seed, **told), range(count)))


def statuses(tenant: Tenant) -> dict[str, str]:
    """What the API says of the newest hundred jobs, once it answers."""

    def listed() -> dict[str, Any] | None:
        answer = tenant.request("GET", "/api/v1/jobs", params={"limit": 100})
        return answer.json() if answer.status_code == 200 else None

    page = wait_until(listed, seconds=60, what="the API lists jobs")
    return {job["jobId"]: job["status"] for job in page["data"]}


def record_of(shard: Shard, job_id: str) -> dict[str, Any]:
    with shard.database() as database:
        found: dict[str, Any] = database.jobs.find_one({"_id": job_id})
    return found


def wait_until_sent(shard: Shard, job_id: str, attempt: int = 1, *, seconds: float = 45) -> None:
    name = f"{job_id}/{attempt}"
    wait_until(lambda: name in shard.triton.seen, seconds=seconds, what=f"{name} is sent")


def assert_all_ended_well(
    shard: Shard, tenant: Tenant, jobs: Sequence[str], *, variations: int = 1, failures: int = 0
) -> None:
    """Every job succeeded and is charged once an output; no attempt was sent twice; at most
    `failures` attempts of each count against it."""
    wait_until(
        lambda: all(statuses(tenant).get(job) in TERMINAL for job in jobs),
        seconds=120,
        what="every job has ended",
    )
    assert {
        job: tenant.job(job)["error"] for job in jobs if statuses(tenant)[job] == "failed"
    } == {}
    assert {statuses(tenant)[job] for job in jobs} == {"succeeded"}
    units = len(jobs) * variations
    assert tenant.counters() == {"charged": units, "reserved": 0, "ledger": units}
    sent = Counter(seen for seen in shard.triton.seen if seen.split("/")[0] in jobs)
    assert set(sent.values()) == {1}, [name for name, times in sent.items() if times > 1]
    assert {seen.split("/")[0] for seen in sent} == set(jobs)
    with shard.database() as database:
        for record in database.jobs.find({"_id": {"$in": list(jobs)}}):
            assert record["failures"] <= failures
            for output in record["outputs"]:
                assert f"/{record['attempt']}/" in output["key"]
    for job in jobs[:3]:
        assert tenant.http.get(tenant.job(job)["downloadUrl"]).status_code == 200
