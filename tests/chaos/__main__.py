"""The chaos suite: mixed jobs while every part is killed, stopped and cut off.

`python -m tests.chaos --seed 1 --jobs 1000` makes one run and prints its summary as JSON.

Exits with 1 where a promise was broken. `IMAGERIFT_TEST_ENV` may name a running platform.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.customers import Customer, all_terminal
from tests.chaos.disturbance import Disturber, Keeper
from tests.chaos.invariants import Findings, look
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, attach, started, wait_until
from tests.support.own_shard import Shard, opened_shard

# One tenant may run one job at a time, and one has next to no quota.
PLANS = ("load", "load", "load", "narrow", "small")
OPERATOR = {"IMAGERIFT_LEASE_SECONDS": "4", "IMAGERIFT_COMPARE_SECONDS": "5"}
REST_SECONDS = 300


def run(
    platform: PlatformUnderTest,
    folder: Path,
    *,
    seed: int,
    jobs: int,
    pause: tuple[float, float] = (0.5, 4.0),
) -> Findings:
    """Runs `jobs` mixed jobs of several tenants under disturbance, lets everything come to rest,
    and looks at what is there."""
    began = time.monotonic()
    with ExitStack() as stack:
        shard = stack.enter_context(opened_shard(platform, folder))
        for _ in range(2):
            shard.operator(**OPERATOR)
        urls = []
        for _ in range(2):
            shard.api()
            urls.append(shard.api_url)
        customers = _customers(shard, stack, urls, seed=seed, jobs=jobs)
        keeper = Keeper(shard.programs)
        disturber = Disturber(shard, platform, seed, pause)
        try:
            disturbing = disturber.start()
            threads = [customer.start() for customer in customers]
            for thread in threads:
                thread.join()
            disturber.stop()
            disturbing.join()
            disturbed = time.monotonic() - began
            _wait_for_rest(platform, shard, customers)
        finally:
            disturber.stop()
            keeper.stop()
        findings = look(shard, customers)
        findings.figures |= {
            "seed": seed,
            "seconds disturbed": round(disturbed),
            "seconds in all": round(time.monotonic() - began),
            "disturbances": dict(sorted(disturber.done.items())),
        }
    return findings


def _customers(
    shard: Shard, stack: ExitStack, urls: list[str], *, seed: int, jobs: int
) -> list[Customer]:
    photo = base64.b64encode((CHECKOUT / "tests/data/small.jpg").read_bytes()).decode()
    customers = []
    for number, plan in enumerate(PLANS):
        http = stack.enter_context(httpx.Client(timeout=40, trust_env=False))
        share = jobs // len(PLANS) + (number < jobs % len(PLANS))
        tenant = shard.tenant(http, plan)
        customers.append(Customer(tenant, list(urls), seed * 1000 + number, share, photo))
    return customers


def _wait_for_rest(platform: PlatformUnderTest, shard: Shard, customers: list[Customer]) -> None:
    """Until every part answers again, every job has ended and every resource is gone."""
    platform.wait_ready(seconds=REST_SECONDS)
    wait_until(
        lambda: all(all_terminal(customer.statuses()) for customer in customers),
        seconds=REST_SECONDS,
        what="every accepted job has ended",
    )

    # Also those whose acceptance nobody was told of.
    def ended() -> bool:
        live = {"namespace": shard.namespace, "status": {"$in": ["queued", "processing"]}}
        with shard.database() as database:
            return not database.jobs.count_documents(live)

    wait_until(ended, seconds=REST_SECONDS, what="every record is terminal")
    try:
        gone = "every resource is gone"
        wait_until(lambda: not shard.resources(), seconds=REST_SECONDS, what=gone)
    except AssertionError as error:
        left = [(item["metadata"], item.get("status")) for item in shard.resources()]
        raise AssertionError(f"{error}; left: {json.dumps(left, indent=2)}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=1000)
    arguments = parser.parse_args()
    given = os.environ.get("IMAGERIFT_TEST_ENV")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagerift-chaos-")))
        platform = attach(Path(given)) if given else stack.enter_context(started())
        findings = run(platform, folder, seed=arguments.seed, jobs=arguments.jobs)
    summary: dict[str, Any] = {**findings.figures, "broken promises": findings.broken}
    print(json.dumps(summary, indent=2))
    raise SystemExit(1 if findings.broken else 0)


if __name__ == "__main__":
    main()
