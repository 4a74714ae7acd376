"""MongoDB as three members: its primary dies or steps down, and another one takes over."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.own_shard import Shard, client_of, opened_shard
from tests.support.puppet_jobs import assert_all_ended_well, submit_all, wait_until_sent
from tests.support.replica_set import ReplicaSet, moved_to, opened_replica_set


@pytest.fixture
def replica_set(tmp_path: Path) -> Iterator[ReplicaSet]:
    with opened_replica_set(tmp_path / "mongo") as store:
        yield store


@pytest.fixture
def installation(
    platform: PlatformUnderTest, replica_set: ReplicaSet, tmp_path: Path
) -> Iterator[Shard]:
    apart = moved_to(replica_set, platform)
    with opened_shard(apart, tmp_path, through_mongo_link=False) as shard:
        shard.api()
        shard.operator(IMAGERIFT_LEASE_SECONDS="4")
        shard.wait_for_leader()
        yield shard


def test_jobs_go_on_when_another_member_becomes_primary(
    installation: Shard, replica_set: ReplicaSet, small_photo: bytes
) -> None:
    with client_of(installation) as http:
        tenant = installation.tenant(http)
        jobs = submit_all(tenant, small_photo, 8, hold=1)
        wait_until_sent(installation, jobs[0])
        first = replica_set.step_down(30)
        assert first is not None
        jobs += accepted(http, tenant, small_photo)
        replica_set.wait_for_primary(other_than=first).send(signal.SIGKILL)
        jobs += accepted(http, tenant, small_photo)
        assert_all_ended_well(installation, tenant, jobs)
        assert installation.platform.admin("audit")["differences"] == []


def accepted(http: httpx.Client, tenant: Any, photo: bytes) -> list[str]:
    """One job, submitted again with its key until the store takes it."""
    key = {"Idempotency-Key": secrets.token_hex(16)}

    def taken() -> str | None:
        answer = tenant.submit(photo, mode="puppet", prompt="{}", more_headers=key)
        assert answer.status_code in {202, 409, 503}, answer.text
        return str(answer.json()["jobId"]) if answer.status_code == 202 else None

    return [wait_until(taken, seconds=60, what="a job is taken")]
