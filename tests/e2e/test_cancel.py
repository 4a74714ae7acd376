"""Canceling: at once while queued, at the model's next check while running, never charged."""

from __future__ import annotations

import time

from tests.e2e.tenant import Tenant


def test_a_canceled_running_job_frees_its_slot_before_its_uncanceled_time_is_over(
    tenant: Tenant, photo: bytes
) -> None:
    """Two slots are busy with long jobs; a third job starts once one of them is canceled."""
    start = time.monotonic()
    uncanceled = tenant.submitted(photo, variations=8)
    tenant.wait_for(uncanceled, "succeeded")
    alone = time.monotonic() - start

    long = [tenant.submitted(photo, variations=8) for _ in range(2)]
    for job_id in long:
        tenant.wait_for(job_id, "processing")
    waiting = tenant.submitted(photo)
    assert tenant.job(waiting)["status"] == "queued"
    start = time.monotonic()
    answer = tenant.cancel(long[0])
    assert answer.status_code == 200
    tenant.wait_for(waiting, "processing", "succeeded")
    freed = time.monotonic() - start
    print(f"alone {alone:.1f} s; the next job started {freed:.1f} s after the cancel")
    assert freed < alone
    assert tenant.wait_for(long[0])["status"] == "canceled"
    assert tenant.wait_for(waiting)["status"] == "succeeded"
    assert tenant.wait_for(long[1])["status"] == "succeeded"
    assert tenant.counters() == {"charged": 17, "reserved": 0, "ledger": 17}


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
