"""A rolling update and its rollback: two versions side by side on one store and one cluster.

The newer version is this one's code with larger tables (`tests.support.newer_version`).
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.tenant import Tenant
from tests.platform_under_test import wait_until
from tests.support.newer_version import ERROR, MODE, REASON
from tests.support.own_shard import Program, Shard
from tests.support.puppet_jobs import submit, submit_all

_NEWER = "tests.support.newer_version"
# What a program writes into its log where something broke for others, too.
_BROKEN = ("sweep_broke", "attempt_broke", "reaction_broke", "loop_died", "webhook_lease_failed")


@dataclass
class Answers:
    """The statuses of all that a workspace asked meanwhile."""

    seen: Counter[int] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def note(self, answer: httpx.Response) -> httpx.Response:
        self.seen[answer.status_code] += 1
        if answer.status_code >= 500:
            self.bad.append(f"{answer.request.url}: {answer.status_code} {answer.text[:300]}")
        return answer


def this_version(shard: Shard) -> dict[str, str]:
    return {"IMAGERIFT_MODES_FILE": str(shard.folder / "modes-of-this-version.json")}


def url_of(program: Program) -> str:
    return program.health.removesuffix("/readyz")


def new_mode(tenant: Tenant, photo: bytes) -> str:
    return submit(tenant, photo, mode=MODE)


@contextmanager
def polling(
    addresses: list[str], tenants: dict[str, tuple[Tenant, list[str]]]
) -> Iterator[dict[str, Answers]]:
    """Polls and lists the jobs of all the workspaces on every address until the end."""
    answers = {name: Answers() for name in tenants}
    over = threading.Event()

    def poll(address: str, name: str) -> None:
        tenant, jobs = tenants[name]
        headers = {"Authorization": f"Bearer {tenant.token}"}
        with httpx.Client(base_url=address, timeout=60, trust_env=False, headers=headers) as http:
            while not over.is_set():
                for job in list(jobs):
                    answer = http.get(f"/api/v1/jobs/{job}")
                    # One that was damaged meanwhile was taken from the list before.
                    if job in jobs:
                        answers[name].note(answer)
                for path in ("/api/v1/jobs", "/api/v1/usage", "/api/v1/modes"):
                    answers[name].note(http.get(path))
                time.sleep(0.05)

    threads = [
        threading.Thread(target=poll, args=(address, name))
        for address in addresses
        for name in tenants
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def replaced(shard: Shard, old: Program, new: Program) -> None:
    """Ends the leading operator, and waits until the other one leads."""
    assert shard.wait_for_leader() is old
    old.end(signal.SIGTERM)
    shard.wait_for_leader(other_than=old)
    assert shard.leader() is new


def test_a_rolling_update_and_a_rollback_disturb_nobody(shard: Shard, small_photo: bytes) -> None:
    old_api = shard.api(**this_version(shard))
    new_api = shard.api(module=(_NEWER, "imagerift_api"))
    old = shard.operator(**this_version(shard))
    assert shard.wait_for_leader() is old
    addresses = [url_of(old_api), url_of(new_api)]
    clients = [httpx.Client(base_url=each, timeout=60, trust_env=False) for each in addresses]
    by_old, by_new = clients
    alice, bob = shard.tenant(by_new), shard.tenant(by_old)
    jobs: dict[str, list[str]] = {"alice": [], "bob": []}

    with polling(addresses, {"alice": (alice, jobs["alice"]), "bob": (bob, jobs["bob"])}) as told:
        # The newer API beside the older operator, which leads.
        jobs["bob"] += submit_all(bob, small_photo, 8, hold=0.5)
        jobs["alice"] += submit_all(alice, small_photo, 8, hold=0.5)
        later = new_mode(alice, small_photo)
        jobs["alice"].append(later)
        all_succeed(bob, jobs["bob"])
        all_succeed(alice, jobs["alice"][:-1])
        assert alice.job(later)["status"] == "queued"

        # The newer operator takes over: it runs what is new, and says what is new.
        new = shard.operator(module=(_NEWER, "imagerift_operator"))
        replaced(shard, old, new)
        assert alice.wait_for(later)["status"] == "succeeded"
        failed = submit(alice, small_photo, fail=ERROR)
        jobs["alice"].append(failed)
        assert alice.wait_for(failed)["error"]["code"] == ERROR
        asked = {"Authorization": f"Bearer {alice.token}"}
        shown = by_old.get(f"/api/v1/jobs/{failed}", headers=asked).json()
        assert (shown["status"], shown["error"]["code"]) == ("failed", ERROR)
        # More than there are slots: they wait, and the older API shows why.
        jobs["bob"] += submit_all(bob, small_photo, 32, hold=1)
        wait_until(lambda: REASON in reasons(bob), seconds=30, what="the new reason is shown")
        all_succeed(bob, jobs["bob"])

        # Back to the older version, with what the newer one has left behind.
        set_in_store(shard, jobs["alice"][0], {"status": "paused"})
        broken = jobs["alice"].pop(1)
        set_in_store(shard, broken, {"spec": "of the next version but one"})
        back = shard.operator(**this_version(shard))
        replaced(shard, new, back)
        unrun = new_mode(alice, small_photo)
        jobs["alice"].append(unrun)
        jobs["bob"] += submit_all(bob, small_photo, 8, hold=0.2)
        all_succeed(bob, jobs["bob"])
        assert alice.job(unrun)["status"] == "queued"
        assert alice.job(jobs["alice"][0])["status"] == "paused"
        refused = by_old.get(f"/api/v1/jobs/{broken}", headers=asked)
        assert (refused.status_code, refused.json()["code"]) == (500, "internal_error")

        # And on again.
        again = shard.operator(module=(_NEWER, "imagerift_operator"))
        replaced(shard, back, again)
        all_succeed(alice, [unrun])

    for client in clients:
        client.close()
    for name in ("alice", "bob"):
        assert told[name].bad == []
        assert set(told[name].seen) == {200}
    for program in shard.programs:
        text = program.log.read_text()
        assert [word for word in _BROKEN if word in text] == [], program.name


def all_succeed(tenant: Tenant, jobs: Sequence[str]) -> None:
    assert {job: tenant.wait_for(job)["status"] for job in jobs} == dict.fromkeys(jobs, "succeeded")


def reasons(tenant: Tenant) -> set[str | None]:
    page = tenant.request("GET", "/api/v1/jobs", params={"status": "queued"}).json()
    return {job["queue"]["reason"] for job in page["data"]}


def set_in_store(shard: Shard, job: str, changes: dict[str, Any]) -> None:
    with shard.database() as database:
        database.jobs.update_one({"_id": job}, {"$set": changes})
