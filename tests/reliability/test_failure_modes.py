"""One row of docs/failure-modes.md after the other, on real processes and cut links."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.kubernetes_proxy import impatient
from tests.support.own_shard import Shard
from tests.support.puppet_jobs import (
    assert_all_ended_well,
    record_of,
    statuses,
    submit,
    submit_all,
    wait_until_sent,
)
from tests.support.server_processes import s3_client

NOTHING = {"charged": 0, "reserved": 0, "ledger": 0}
ONE = {"charged": 1, "reserved": 0, "ledger": 1}
# Fast enough for a test, slow enough to be renewed on a busy machine.
QUICK = {"IMAGERIFT_LEASE_SECONDS": "4", "IMAGERIFT_ANSWER_GRACE_SECONDS": "1"}


@pytest.fixture(scope="module")
def operated(shard: Shard) -> Iterator[Shard]:
    """The shard with one operator, which all tests of this module share."""
    shard.triton.seen.clear()
    shard.operator(**QUICK)
    shard.wait_for_leader()
    yield shard
    for program in shard.programs[1:]:
        program.clean_up()
    del shard.programs[1:]


@pytest.fixture(autouse=True)
def whole_links(shard: Shard) -> Iterator[None]:
    yield
    for link in (shard.mongo, shard.kubernetes, shard.triton, shard.s3):
        link.restore()


@pytest.fixture
def tenant(operated: Shard, shard_http: httpx.Client) -> Tenant:
    return operated.tenant(shard_http)


def error_code(job: dict[str, object]) -> str:
    error = job["error"]
    assert isinstance(error, dict)
    return str(error["code"])


def test_a_models_error_fails_the_job_at_once_and_a_passing_one_is_tried_again(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    for_good = submit(tenant, small_photo, fail="no_face_found")
    passing = submit(tenant, small_photo, fail="out_of_memory", retryable=True, attempts=1)
    hopeless = submit(tenant, small_photo, fail="model_error", retryable=True)

    failed = tenant.wait_for(for_good)
    assert (failed["status"], error_code(failed)) == ("failed", "no_face_found")
    assert record_of(operated, for_good)["attempt"] == 1
    assert tenant.wait_for(passing)["status"] == "succeeded"
    record = record_of(operated, passing)
    assert (record["attempt"], record["failures"]) == (2, 1)
    given_up = tenant.wait_for(hopeless)
    assert (given_up["status"], error_code(given_up)) == ("failed", "model_error")
    # Three failed attempts and the last one, a second, two and four apart.
    assert record_of(operated, hopeless)["attempt"] == 4 - 1
    assert tenant.counters() == ONE


def test_while_triton_is_away_jobs_wait_and_what_is_no_picture_any_more_fails_uncharged(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    operated.triton.refuse()

    def nobody_ready() -> bool:
        pool = json.loads(operated.kubectl("get", "tp", "linked", "-o", "json"))
        return bool(pool["status"]["readyReplicas"] == 0)

    # A call on a connection that is still open would count, since nobody knows what became of it.
    wait_until(nobody_ready, seconds=30, what="the pool says that no replica is ready")
    waiting = [submit(tenant, small_photo, seed=seed) for seed in range(3)]
    overwritten = tenant.submitted(small_photo)

    def reasons() -> bool:
        queues = [tenant.job(job_id)["queue"] for job_id in [*waiting, overwritten]]
        return {queue and queue["reason"] for queue in queues} == {"pool_unavailable"}

    wait_until(reasons, seconds=30, what="the queue says that no pool is there")
    overwrite_source(operated.platform, tenant, overwritten, b"no picture any more")
    operated.triton.restore()
    assert_ended_without_a_failure(operated, tenant, waiting)
    job = tenant.wait_for(overwritten)
    assert (job["status"], error_code(job)) == ("failed", "unsupported_image")
    assert record_of(operated, overwritten)["attempt"] == 1
    assert tenant.counters() == {"charged": 3, "reserved": 0, "ledger": 3}


def assert_ended_without_a_failure(shard: Shard, tenant: Tenant, jobs: list[str]) -> None:
    for job_id in jobs:
        assert tenant.wait_for(job_id)["status"] == "succeeded"
        assert record_of(shard, job_id)["failures"] == 0


def overwrite_source(
    platform: PlatformUnderTest, tenant: Tenant, job_id: str, content: bytes
) -> None:
    variables = platform.environment
    client = s3_client(variables)
    key = f"workspaces/{tenant.workspace}/jobs/{job_id}/source"
    client.put_object(Bucket=variables["IMAGERIFT_S3_BUCKET"], Key=key, Body=content)
    client.close()


def test_a_call_that_triton_drops_is_made_again_as_an_attempt_that_counts(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    job_id = submit(tenant, small_photo, hold=3, attempts=1)
    wait_until_sent(operated, job_id)
    operated.triton.cut()
    assert tenant.wait_for(job_id)["status"] == "succeeded"
    record = record_of(operated, job_id)
    assert (record["attempt"], record["failures"]) == (2, 1)
    assert tenant.counters() == ONE


def test_a_models_process_that_dies_fails_its_attempt_in_passing_and_spares_the_others(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    platform = operated.platform
    # One for each of the model's processes; the dead one is the only one that is free.
    jobs = [submit(tenant, small_photo, seed=seed, hold=15) for seed in range(4)]
    for job_id in jobs:
        wait_until_sent(operated, job_id)
    os.kill(processes_of_model(platform, "puppet")[0], signal.SIGKILL)
    try:
        ended = {job_id: tenant.wait_for(job_id) for job_id in jobs}
        failed = [job_id for job_id, job in ended.items() if job["status"] == "failed"]
        assert [error_code(ended[job_id]) for job_id in failed] == ["model_error"]
        record = record_of(operated, failed[0])
        assert (record["attempt"], record["failures"]) == (3, 2)
        assert tenant.counters() == {"charged": 3, "reserved": 0, "ledger": 3}
    finally:
        platform.kill("triton")
        wait_until(
            lambda: len(processes_of_model(platform, "puppet")) == 4,
            seconds=120,
            what="Triton runs every process of the model",
        )
        platform.wait_ready("triton")
    again = submit_all(tenant, small_photo, 4)
    assert {tenant.wait_for(job_id)["status"] for job_id in again} == {"succeeded"}


def processes_of_model(platform: PlatformUnderTest, model: str) -> list[int]:
    try:
        children = psutil.Process(platform.part("triton")["pid"]).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = []
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(f"/{model}/1/model.py" in word for word in child.cmdline()):
                found.append(child.pid)
    return found


def test_a_model_that_is_too_slow_or_silent_loses_its_attempt_and_the_job_goes_on(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    # The model sees its own deadline; of a server that is silent the operator has to see it.
    slow = submit(tenant, small_photo, mode="brief", hold=30, attempts=1)
    assert tenant.wait_for(slow)["status"] == "succeeded"
    record = record_of(operated, slow)
    assert (record["attempt"], record["failures"]) == (2, 1)

    silent = submit(tenant, small_photo, mode="brief", hold=0.5)
    wait_until_sent(operated, silent)
    operated.triton.stall()
    wait_until(
        lambda: record_of(operated, silent)["status"] == "queued",
        seconds=30,
        what="the silent attempt is given up",
    )
    assert record_of(operated, silent)["failures"] == 1
    operated.triton.restore()
    assert tenant.wait_for(silent)["status"] == "succeeded"
    assert tenant.counters() == {"charged": 2, "reserved": 0, "ledger": 2}


def test_while_the_bucket_is_away_submits_are_refused_and_running_jobs_wait_for_it(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    running = submit_all(tenant, small_photo, 4, hold=1)
    wait_until_sent(operated, running[0])
    bucket = operated.platform.part("seaweedfs")["pid"]
    operated.s3.refuse()
    os.kill(bucket, signal.SIGSTOP)
    try:
        refused = tenant.submit(small_photo, mode="noop")
        assert (refused.status_code, refused.json()["code"]) == (503, "capacity_unavailable")
        time.sleep(1.5)  # the jobs come to their uploads
    finally:
        os.kill(bucket, signal.SIGCONT)
        operated.s3.restore()
    assert_all_ended_well(operated, tenant, running)


def test_while_the_job_store_is_away_nothing_is_accepted_and_what_runs_is_settled_after(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    running = submit_all(tenant, small_photo, 4, hold=1.5)
    wait_until_sent(operated, running[0])
    operated.mongo.refuse()
    refused = tenant.submit(small_photo, mode="noop")
    assert (refused.status_code, refused.json()["code"]) == (503, "capacity_unavailable")
    operated.mongo.restore()
    assert_all_ended_well(operated, tenant, running)


def test_while_kubernetes_is_away_jobs_are_accepted_and_run_once_it_is_back(
    operated: Shard, tenant: Tenant, small_photo: bytes
) -> None:
    running = submit_all(tenant, small_photo, 4, hold=1)
    wait_until_sent(operated, running[0])
    operated.kubernetes.refuse()
    accepted = submit_all(tenant, small_photo, 3)
    # What runs is settled without the API server; its resource is told later.
    wait_until(
        lambda: statuses(tenant)[running[0]] == "succeeded", seconds=30, what="a job has ended"
    )
    assert {statuses(tenant)[job_id] for job_id in accepted} == {"queued"}
    operated.kubernetes.restore()
    assert_all_ended_well(operated, tenant, running + accepted)


def test_an_api_server_that_asks_for_patience_slows_jobs_and_loses_none(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes, tmp_path: Path
) -> None:
    """A third of all calls are answered 429, the others late; watches end with 410 Gone."""
    for program in alone.programs[1:]:
        program.end()
    with impatient(Path(alone.platform.environment["KUBECONFIG"]), tmp_path / "slow") as server:
        slow = {"KUBECONFIG": str(tmp_path / "slow"), "IMAGERIFT_COMPARE_SECONDS": "3"}
        alone.operator(**QUICK, **slow)
        alone.wait_for_leader()
        tenant = alone.tenant(shard_http)
        server.refused, server.pause = 0.3, 0.2
        jobs = submit_all(tenant, small_photo, 6, hold=0.2)
        server.expire_watches()
        jobs += submit_all(tenant, small_photo, 6)
        assert_all_ended_well(alone, tenant, jobs)
        assert server.answered[429] > 2
        server.refused, server.pause = 0.0, 0.0
        wait_until(lambda: not alone.resources(), seconds=60, what="every resource is gone")
