"""Several operators: hot standby, a leader that is killed, stopped or asked to go, shards apart."""

from __future__ import annotations

import signal
import time
from collections import Counter
from functools import partial

import httpx

from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.own_shard import Shard
from tests.support.puppet_jobs import assert_all_ended_well, statuses, submit_all

TAKEOVER_SECONDS = 20


def started_and_unfinished(shard: Shard, tenant: Tenant, at_least: int) -> None:
    def busy() -> bool:
        counts = Counter(statuses(tenant).values())
        return counts["processing"] >= 2 and counts["succeeded"] >= at_least

    wait_until(busy, seconds=60, what="some jobs are done and some are running")


def test_a_standby_takes_over_within_twenty_seconds_of_the_leaders_death(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes
) -> None:
    """With the lease as it is shipped."""
    first = alone.operator()
    leader = alone.wait_for_leader()
    assert leader is first
    second = alone.operator()
    tenant = alone.tenant(shard_http)
    jobs = submit_all(tenant, small_photo, 16, hold=0.8, variations=2)
    started_and_unfinished(alone, tenant, 3)
    sent_before = len(alone.triton.seen)
    leader.end(signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: len(alone.triton.seen) > sent_before, seconds=60, what="an attempt is sent")
    seconds = time.monotonic() - killed
    print(f"taken over {seconds:.1f} s after the kill")
    assert alone.leader() is second
    assert_all_ended_well(alone, tenant, jobs, variations=2)
    assert seconds <= TAKEOVER_SECONDS


def test_a_leader_that_was_stopped_and_resumed_sends_nothing_twice_and_settles_nothing(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes
) -> None:
    """Each operator in turn is stopped in the middle of its work, and resumed when the other one
    has taken over and is in the middle of its own."""
    for _ in range(2):
        alone.operator(IMAGERIFT_LEASE_SECONDS="3")
    tenant = alone.tenant(shard_http)
    jobs: list[str] = []

    def more_than(sent: int) -> bool:
        return len(alone.triton.seen) > sent

    for _ in range(3):
        leader = alone.wait_for_leader()
        done = Counter(statuses(tenant).values())["succeeded"]
        jobs += submit_all(tenant, small_photo, 12, hold=0.8)
        started_and_unfinished(alone, tenant, done + 2)
        leader.send(signal.SIGSTOP)
        try:
            sent = len(alone.triton.seen)
            other = alone.wait_for_leader(other_than=leader)
            wait_until(partial(more_than, sent), seconds=30, what="the other one sends attempts")
        finally:
            leader.send(signal.SIGCONT)
        wait_until(leader.is_ready, seconds=30, what="the resumed one answers")
        assert alone.leader() is other
    assert_all_ended_well(alone, tenant, jobs)


def test_a_leader_that_is_asked_to_go_hands_its_jobs_to_the_standby_at_once(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes
) -> None:
    # It waits for nothing, so that whatever runs is handed back.
    first = alone.operator(IMAGERIFT_DRAIN_SECONDS="0")
    assert alone.wait_for_leader() is first
    second = alone.operator()
    tenant = alone.tenant(shard_http)
    jobs = submit_all(tenant, small_photo, 12, hold=2)
    started_and_unfinished(alone, tenant, 1)
    first.end(signal.SIGTERM)
    assert first.process is not None and first.process.returncode == 0
    gone = time.monotonic()
    assert alone.wait_for_leader(other_than=first) is second
    seconds = time.monotonic() - gone
    print(f"taken over {seconds:.1f} s after the stop")
    assert_all_ended_well(alone, tenant, jobs)
    with alone.database() as database:
        attempts = [row["attempt"] for row in database.jobs.find({"_id": {"$in": jobs}})]
    assert max(attempts) == 2 and 0 < attempts.count(2) <= 8
    # A lease that is let go is taken at the standby's next look, every quarter of ten seconds.
    assert seconds < 6


def resources_of(shard: Shard) -> set[str]:
    return {resource["metadata"]["name"] for resource in shard.resources()}


def test_shards_beside_each_other_run_their_own_jobs_and_only_those(
    platform: PlatformUnderTest,
    alone: Shard,
    shard_http: httpx.Client,
    tenant: Tenant,
    small_photo: bytes,
) -> None:
    # Resources of another test's jobs may not have been deleted yet.
    before = resources_of(alone)
    own = alone.operator()
    assert alone.wait_for_leader() is own
    here = alone.tenant(shard_http)
    jobs_here = submit_all(here, small_photo, 12)
    jobs_there = submit_all(tenant, small_photo, 12)
    assert_all_ended_well(alone, here, jobs_here)

    # This shard's operator is gone; the other shard goes on, this one's jobs wait.
    own.end(signal.SIGKILL)
    waiting = submit_all(here, small_photo, 3)
    jobs_there += submit_all(tenant, small_photo, 3)
    wait_until(
        lambda: Counter(statuses(tenant).values()) == {"succeeded": 15},
        seconds=60,
        what="the other shard's jobs have ended",
    )
    assert {statuses(here)[job] for job in waiting} == {"queued"}
    assert tenant.counters() == {"charged": 15, "reserved": 0, "ledger": 15}
    sent = {seen.split("/")[0] for seen in alone.triton.seen}
    assert not sent & set(jobs_there)

    alone.operator(IMAGERIFT_LEASE_SECONDS="3")
    assert_all_ended_well(alone, here, jobs_here + waiting)
    assert resources_of(alone) <= before | {*jobs_here, *waiting}
