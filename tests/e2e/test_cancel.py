"""Canceling: at once while queued, at the model's next check while running, never charged."""

from __future__ import annotations

import time

from tests.e2e.tenant import Tenant

# Share of a job's own time within which a cancel has to free its slot.
MOST_OF_ITS_TIME = 0.2


def test_a_canceled_4k_job_lets_the_next_one_start_in_a_fifth_of_its_uncanceled_time(
    tenant: Tenant, photo: bytes
) -> None:
    """Two 4k jobs fill both slots and are left alone; two more are canceled while a job waits."""
    submitted = [tenant.submitted(photo, exportSize="4k") for _ in range(2)]
    for job_id in submitted:
        tenant.wait_for(job_id, "processing")
    start = time.monotonic()
    for job_id in submitted:
        assert tenant.wait_for(job_id)["status"] == "succeeded"
    uncanceled = time.monotonic() - start

    canceled = [tenant.submitted(photo, exportSize="4k") for _ in range(2)]
    for job_id in canceled:
        tenant.wait_for(job_id, "processing")
    waiting = tenant.submitted(photo)
    # Not to wait for anything: so that they are canceled in the middle of their work.
    time.sleep(uncanceled / 4)
    assert tenant.job(waiting)["status"] == "queued"
    start = time.monotonic()
    for job_id in canceled:
        assert tenant.cancel(job_id).status_code == 200
    tenant.wait_for(waiting, "processing", "succeeded")
    freed = time.monotonic() - start
    print(f"uncanceled {uncanceled:.1f} s; the next job started {freed:.1f} s after the cancel")
    assert freed < MOST_OF_ITS_TIME * uncanceled
    for job_id in canceled:
        assert tenant.wait_for(job_id)["status"] == "canceled"
    assert tenant.wait_for(waiting)["status"] == "succeeded"
    assert tenant.counters() == {"charged": 3, "reserved": 0, "ledger": 3}


def test_a_canceled_job_answers_the_same_again_and_a_succeeded_one_cannot_be_canceled(
    tenant: Tenant, small_photo: bytes
) -> None:
    done = tenant.submitted(small_photo, mode="noop")
    tenant.wait_for(done, "succeeded")
    refused = tenant.cancel(done)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_cancelable")

    canceled = tenant.submitted(small_photo, mode="delay", variations=8)
    for _ in range(3):
        assert tenant.cancel(canceled).status_code == 200
    assert tenant.wait_for(canceled)["status"] == "canceled"
    assert tenant.counters() == {"charged": 1, "reserved": 0, "ledger": 1}
