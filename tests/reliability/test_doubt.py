"""MongoDB takes a commit and loses its majority before it answers: what is told is true."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from imagerift_core.mongo.database import APP_NAME

from tests.chaos.final_state import bucket_of
from tests.e2e.resources import BINDING, manifest
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.own_shard import Shard, client_of, opened_shard
from tests.support.puppet_jobs import record_of
from tests.support.replica_set import NOT_REPLICATED, ReplicaSet, moved_to, opened_replica_set

SUBMITS = 5
# An answer comes after 25 s; a commit is asked about for 30 s, and all of it is tried again.
AWAY_SECONDS = 45.0

either_store = pytest.mark.parametrize(
    "arbiter", [False, True], ids=["three members", "with an arbiter"]
)


@contextmanager
def installed(
    platform: PlatformUnderTest, folder: Path, *, arbiter: bool
) -> Iterator[tuple[ReplicaSet, Shard, Tenant]]:
    with (
        opened_replica_set(folder / "mongo", arbiter=arbiter) as store,
        opened_shard(moved_to(store, platform), folder, through_mongo_link=False) as shard,
    ):
        shard.api()
        shard.operator(IMAGERIFT_LEASE_SECONDS="4")
        shard.wait_for_leader()
        with client_of(shard) as http:
            yield store, shard, shard.tenant(http)


@either_store
def test_a_submit_without_a_key_is_refused_truly_or_told_as_in_doubt(
    platform: PlatformUnderTest, tmp_path: Path, small_photo: bytes, arbiter: bool
) -> None:
    with installed(platform, tmp_path, arbiter=arbiter) as (store, shard, tenant):
        # What stays for a while is known: the plan, the key, the counter.
        first = tenant.submitted(small_photo, mode="noop")
        assert tenant.wait_for(first)["status"] == "succeeded"
        began = time.monotonic()
        with store.without_majority(), ThreadPoolExecutor(SUBMITS) as pool:
            asked = [pool.submit(tenant.submit, small_photo, mode="noop") for _ in range(SUBMITS)]
            answers = [one.result() for one in asked]
            time.sleep(max(0.0, began + AWAY_SECONDS - time.monotonic()))
        doubts = {a.json()["jobId"]: a.json() for a in answers if a.status_code == 504}
        assert {body["code"] for body in doubts.values()} <= {"outcome_unknown"}
        assert {a.status_code for a in answers} <= {503, 504}

        for job_id, doubt in doubts.items():
            wait_until_settled(doubt)
            told = partial(told_for_good, tenant, job_id)
            found = wait_until(told, seconds=60, what="it is told")
            assert (found == 200) == (record_of(shard, job_id) is not None)
        there = {record["_id"] for record in shard.records()} - {first}
        assert there <= set(doubts), "a job is there of which it was said that it is not"
        # Else nothing was tried.
        assert doubts
        for job_id in there:
            assert tenant.wait_for(job_id)["status"] == "succeeded"
        units = len(there) + 1
        assert tenant.counters() == {"charged": units, "reserved": 0, "ledger": units}


def wait_until_settled(doubt: dict[str, Any]) -> None:
    settled = datetime.fromisoformat(doubt["settledBy"]).timestamp()
    assert settled - time.time() < 150
    time.sleep(max(0.0, settled - time.time()))


def told_for_good(tenant: Tenant, job_id: str) -> int | None:
    status = tenant.request("GET", f"/api/v1/jobs/{job_id}").status_code
    return status if status in {200, 404} else None


@either_store
def test_a_job_made_by_hand_keeps_its_bytes_however_long_its_commit_is_in_doubt(
    platform: PlatformUnderTest, tmp_path: Path, small_photo: bytes, arbiter: bool
) -> None:
    """Its record is there and runs meanwhile, of which the operator was not told."""
    with installed(platform, tmp_path, arbiter=arbiter) as (store, shard, tenant):
        first = tenant.submitted(small_photo, mode="noop")
        assert tenant.wait_for(first)["status"] == "succeeded"
        bound = json.dumps({"metadata": {"annotations": {f"{BINDING}{tenant.workspace}": "true"}}})
        shard.kubectl("patch", "namespace", shard.namespace, "--type", "merge", "-p", bound)
        source = f"workspaces/{tenant.workspace}/jobs/{first}/source"
        with store.wait_for_primary().failing(
            "commitTransaction", appName=APP_NAME, **NOT_REPLICATED
        ):
            shard.kubectl("apply", "-f", "-", stdin=manifest("by-hand", tenant, source))
            time.sleep(AWAY_SECONDS)
        shown = json.loads(shard.kubectl("get", "gj", "by-hand", "-o", "json"))
        job_id = shown["metadata"]["uid"]
        ended = wait_until(lambda: ended_job(tenant, job_id), seconds=60, what="it has ended")
        assert ended["status"] == "succeeded"
        assert_delivered(shard, tenant, ended)
        assert tenant.counters() == {"charged": 2, "reserved": 0, "ledger": 2}


def ended_job(tenant: Tenant, job_id: str) -> dict[str, Any] | None:
    answer = tenant.request("GET", f"/api/v1/jobs/{job_id}")
    job: dict[str, Any] = answer.json()
    return job if answer.status_code == 200 and job["completedAt"] else None


def assert_delivered(shard: Shard, tenant: Tenant, job: dict[str, Any]) -> None:
    """What the link gives is a picture, and the job's own source is there."""
    assert httpx.get(job["downloadUrl"], trust_env=False).status_code == 200
    with bucket_of(shard) as (client, bucket):
        key = f"workspaces/{tenant.workspace}/jobs/{job['jobId']}/source"
        assert client.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0
