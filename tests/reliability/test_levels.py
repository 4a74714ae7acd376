"""Whatever was missed or edited by hand is brought to rest from what is there, not from events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from imagerift_core.mongo.database import APP_NAME
from pymongo import MongoClient

from bench.kubernetes import kubernetes_writes
from tests.e2e.tenant import Tenant
from tests.platform_under_test import wait_until
from tests.support.kubernetes_proxy import impatient
from tests.support.own_shard import Shard
from tests.support.puppet_jobs import assert_all_ended_well, record_of, submit, wait_until_sent

SOON = {"IMAGERIFT_LEASE_SECONDS": "4", "IMAGERIFT_COMPARE_SECONDS": "2"}


def edit_status(shard: Shard, name: str, **status: Any) -> None:
    """What an administrator with too many rights may do."""
    path = f"/apis/imagerift.dev/v1/namespaces/{shard.namespace}/generationjobs/{name}"

    def written() -> bool:
        resource = json.loads(shard.kubectl("get", "--raw", path))
        resource["status"] = resource.get("status", {}) | status
        # Refused where the operator has written in between.
        arguments = ("replace", "--raw", f"{path}/status", "-f", "-")
        return bool(shard.kubectl(*arguments, stdin=json.dumps(resource), check=False))

    wait_until(written, seconds=30, what=f"the status of {name} is edited")


def phase_of(shard: Shard, name: str) -> str:
    found = {item["metadata"]["name"]: item for item in shard.resources()}
    phase: str = found[name].get("status", {}).get("phase", "") if name in found else "gone"
    return phase


def test_what_happened_while_no_operator_ran_is_brought_to_rest(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes
) -> None:
    tenant = alone.tenant(shard_http)
    names = ("plain", "deleted", "edited", "asked", "lost")
    jobs = {name: submit(tenant, small_photo, seed=seed) for seed, name in enumerate(names)}
    wait_until(
        lambda: all(record_of(alone, job)["resource_uid"] for job in jobs.values()),
        seconds=30,
        what="every record knows its resource",
    )
    alone.kubectl("delete", "gj", jobs["deleted"])
    edit_status(alone, jobs["edited"], phase="Succeeded", message="Done, says somebody.")
    patch = json.dumps({"spec": {"cancel": True}})
    alone.kubectl("patch", "gj", jobs["asked"], "--type", "merge", "-p", patch)
    # As if the API had died between the record and the resource.
    alone.kubectl("delete", "gj", jobs["lost"])
    with alone.database() as database:
        database.jobs.update_one({"_id": jobs["lost"]}, {"$set": {"resource_uid": None}})

    alone.operator(**SOON)
    for name in ("deleted", "asked"):
        assert tenant.wait_for(jobs[name])["status"] == "canceled"
    well = [jobs[name] for name in ("plain", "edited", "lost")]
    assert_all_ended_well(alone, tenant, well)
    wait_until(lambda: not alone.resources(), seconds=60, what="every resource is gone")


def test_a_status_edited_by_hand_neither_ends_a_job_nor_stays(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes
) -> None:
    alone.operator(**SOON)
    alone.wait_for_leader()
    tenant = alone.tenant(shard_http)
    running = submit(tenant, small_photo, hold=4)
    wait_until_sent(alone, running)
    alone.triton.stall()
    waiting = submit(tenant, small_photo)
    for job in (running, waiting):
        edit_status(alone, job, phase="Failed", message="Broken, says somebody.")
    wait_until(
        lambda: "Failed" not in {phase_of(alone, running), phase_of(alone, waiting)},
        seconds=30,
        what="the edits are repaired",
    )
    alone.triton.restore()
    assert_all_ended_well(alone, tenant, [running, waiting], failures=1)
    wait_until(
        lambda: phase_of(alone, running) in {"Succeeded", "gone"}, seconds=30, what="its own status"
    )


def test_what_a_process_that_died_was_writing_holds_nobody_up(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes
) -> None:
    """As an API that is killed while it admits a job leaves the workspace's counter."""
    alone.operator(**SOON)
    alone.wait_for_leader()
    tenant = alone.tenant(shard_http)
    assert tenant.wait_for(submit(tenant, small_photo))["status"] == "succeeded"
    with transaction_on_its_counter(tenant):
        began = time.monotonic()

        def accepted() -> str | None:
            answer = tenant.submit(small_photo, mode="noop")
            return answer.json()["jobId"] if answer.status_code == 202 else None

        job_id = wait_until(accepted, seconds=40, what="a submit is accepted")
        # MongoDB itself would let go after a minute.
        assert time.monotonic() - began < 50
    assert tenant.wait_for(job_id)["status"] == "succeeded"
    assert tenant.counters() == {"charged": 2, "reserved": 0, "ledger": 2}


def test_the_lost_note_of_a_resource_is_written_again_without_a_question_to_kubernetes(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes
) -> None:
    """As an API leaves it that died in the second after it made the resource."""
    # No pool is ready, so the job waits.
    alone.triton.stall()
    tenant = alone.tenant(shard_http)
    job_id = submit(tenant, small_photo)
    noted = wait_until(
        lambda: record_of(alone, job_id)["resource_uid"], seconds=30, what="it is noted"
    )
    before = kubernetes_writes(alone.platform)["POST"]
    with alone.database() as database:
        database.jobs.update_one({"_id": job_id}, {"$set": {"resource_uid": None}})
    alone.operator(**SOON)
    again = wait_until(
        lambda: record_of(alone, job_id)["resource_uid"], seconds=60, what="it is noted again"
    )
    assert again == noted
    assert record_of(alone, job_id)["status"] == "queued"
    assert kubernetes_writes(alone.platform)["POST"] == before
    alone.triton.restore()
    assert_all_ended_well(alone, tenant, [job_id])


@contextmanager
def transaction_on_its_counter(tenant: Tenant) -> Iterator[None]:
    """Open and idle, on a connection like those of the API."""
    variables = tenant.platform.environment
    url, name = variables["IMAGERIFT_MONGO_URL"], variables["IMAGERIFT_MONGO_DATABASE"]
    with (
        MongoClient[dict[str, Any]](url, appname=APP_NAME) as client,
        client.start_session() as session,
    ):
        session.start_transaction()
        counter = {"_id": {"$regex": f"^{tenant.workspace}"}}
        touched = client[name].quota_counters.update_many(
            counter, {"$inc": {"charged": 9}}, session=session
        )
        assert touched.modified_count == 1
        yield


def test_while_the_watch_is_silent_deletions_and_cancels_are_found_by_comparing(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes, tmp_path: Path
) -> None:
    """The operator's watches stay open and say nothing; its other calls are answered."""
    own = Path(alone.platform.environment["KUBECONFIG"])
    with impatient(own, tmp_path / "muted") as server:
        alone.operator(**SOON, KUBECONFIG=str(tmp_path / "muted"))
        alone.wait_for_leader()
        tenant = alone.tenant(shard_http)
        assert tenant.wait_for(submit(tenant, small_photo))["status"] == "succeeded"
        server.muted = True
        unseen = submit(tenant, small_photo)
        assert tenant.wait_for(unseen)["status"] == "succeeded"
        alone.triton.refuse()
        deleted, asked = (submit(tenant, small_photo, seed=seed) for seed in range(2))
        wait_until(
            lambda: (
                {record_of(alone, job)["resource_uid"] is None for job in (deleted, asked)}
                == {False}
            ),
            seconds=30,
            what="both records know their resources",
        )
        alone.kubectl("delete", "gj", deleted)
        patch = json.dumps({"spec": {"cancel": True}})
        alone.kubectl("patch", "gj", asked, "--type", "merge", "-p", patch)
        for job in (deleted, asked):
            assert tenant.wait_for(job)["status"] == "canceled"
    assert tenant.counters() == {"charged": 2, "reserved": 0, "ledger": 2}
