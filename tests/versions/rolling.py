"""An upgrade, the way back and the upgrade again, between a commit and this checkout, under load.

`python -m tests.versions.rolling COMMIT [JOBS]`, as `f17836a 1000`: programs of both run on one
platform while jobs are submitted at both APIs. Prints what came of the jobs, and ends with 1 where
one was lost, charged twice or sent twice in one attempt.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT, started, wait_until
from tests.support.own_shard import Program, Shard, opened_shard
from tests.support.puppet_jobs import submit

PACKAGES = ("contract", "core", "api", "operator", "client", "local")
LIVE = ("queued", "processing")


def checked_out(commit: str, folder: Path) -> dict[str, str]:
    """The variables with which programs are those of the commit."""
    packed = subprocess.run(
        ["git", "archive", commit], cwd=CHECKOUT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return {"PYTHONPATH": ":".join(str(folder / name) for name in ("", *PACKAGES))}


def submitted(tenants: list[Tenant], photo: bytes, count: int) -> list[str]:
    with ThreadPoolExecutor(4) as pool:
        jobs = range(count)
        return list(
            pool.map(
                lambda number: submit(tenants[number % len(tenants)], photo, seed=number, hold=0.1),
                jobs,
            )
        )


class Run:
    """The jobs of one run, and when what happened."""

    def __init__(self, shard: Shard, photo: bytes, each: int) -> None:
        self.shard, self.photo, self.each = shard, photo, each
        self.jobs: list[str] = []
        self.figures: dict[str, Any] = {}

    def phase(self, name: str, tenants: list[Tenant], change: Any) -> None:
        """Makes the change in the midst of a phase's jobs."""
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(submitted, tenants, self.photo, self.each)
            time.sleep(1)
            changed = time.monotonic()
            change()
            changed = time.monotonic() - changed
            self.jobs += coming.result()
        self.figures[name] = {
            "seconds": round(time.monotonic() - began, 1),
            "changeSeconds": round(changed, 1),
            "live": self.live(),
        }

    def live(self) -> int:
        with self.shard.database() as database:
            mine = {"namespace": self.shard.namespace, "status": {"$in": LIVE}}
            return int(database.jobs.count_documents(mine))

    def ended(self) -> dict[str, Any]:
        began = time.monotonic()
        wait_until(lambda: self.live() == 0, seconds=300, what="every job has ended", every=0.5)
        sent = Counter(seen for seen in self.shard.triton.seen)
        with self.shard.database() as database:
            records = list(database.jobs.find({"_id": {"$in": self.jobs}}))
            charges = Counter(
                row["job"] for row in database.ledger.find({"job": {"$in": self.jobs}})
            )
        statuses = Counter(record["status"] for record in records)
        return self.figures | {
            "jobs": len(self.jobs),
            "statuses": dict(statuses),
            "lost": len(self.jobs) - statuses["succeeded"],
            "chargedTwice": sum(count > 1 for count in charges.values()),
            "notCharged": len(set(self.jobs) - set(charges)),
            "triedAgain": sum(record["attempt"] > 1 for record in records),
            "sentTwice": sum(count > 1 for count in sent.values()),
            "drainSeconds": round(time.monotonic() - began, 1),
            "audit": self.shard.platform.admin("audit"),
        }


def over(shard: Shard, old: Program, number: signal.Signals) -> None:
    """Ends the leader, and waits until another one leads."""
    assert shard.wait_for_leader() is old
    old.end(number)
    shard.wait_for_leader(other_than=old, seconds=60)


def run(commit: str, jobs: int) -> dict[str, Any]:
    photo = (CHECKOUT / "tests/data/small.jpg").read_bytes()
    with tempfile.TemporaryDirectory() as name, started() as platform:
        folder = Path(name)
        for part in ("older", "shard"):
            (folder / part).mkdir()
        older = checked_out(commit, folder / "older")
        with opened_shard(platform, folder / "shard") as shard:
            clients = []
            for settings in (older, {}):
                shard.api(**settings)
                clients.append(httpx.Client(base_url=shard.api_url, timeout=120, trust_env=False))
            by_old, by_new = (shard.tenant(client) for client in clients)
            old = shard.operator(**older)
            assert shard.wait_for_leader() is old
            told = Run(shard, photo, jobs // 4)
            new = shard.operator()
            told.phase("upgrade", [by_old, by_new], lambda: over(shard, old, signal.SIGTERM))
            told.phase("newAlone", [by_new], shard.programs[0].end)
            told.figures["back"] = platform.admin("store", "back", "--to", "1")
            shard.api(**older)
            clients.append(httpx.Client(base_url=shard.api_url, timeout=120, trust_env=False))
            again = Tenant(platform, clients[-1], by_old.workspace, by_old.key_id, by_old.token)
            shard.operator(**older)
            told.phase("rollback", [again, by_new], lambda: over(shard, new, signal.SIGKILL))
            present = shard.wait_for_leader()
            shard.operator()
            told.phase("again", [by_new], lambda: over(shard, present, signal.SIGTERM))
            result = told.ended()
            file = str(folder / "archive")
            result["backup"] = platform.admin("store", "backup", "--file", file)
            result["drill"] = platform.admin("store", "drill", "--file", file)
            result["status"] = platform.admin("store", "status")
            for client in clients:
                client.close()
            return result


def main() -> int:
    commit, *count = sys.argv[1:]
    told = run(commit, int(count[0]) if count else 1000)
    print(json.dumps(told, indent=2))
    wrong = ("lost", "chargedTwice", "notCharged", "sentTwice")
    return int(any(told[name] for name in wrong) or bool(told["audit"]["differences"]))


if __name__ == "__main__":
    sys.exit(main())
