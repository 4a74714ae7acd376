"""queued → failed: a job whose deadline passed while it waited is released, exactly once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from imagerift_core.jobs import Status
from imagerift_core.mongo import Database
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.jobs import JobStore

from tests.support.job_records import ACCEPTED_AT
from tests.support.job_states import claim, current, queued, reserved_and_charged

DEADLINE = ACCEPTED_AT + timedelta(seconds=10)


async def test_an_overdue_job_fails_by_timeout_and_is_released_once(database: Database) -> None:
    record = await queued(database, units=3, deadline_at=DEADLINE)

    first, second = await asyncio.gather(
        *(JobStore(database).fail_overdue(record.id, at=DEADLINE) for _ in range(2))
    )

    assert [first is None, second is None].count(True) == 1
    failed = await current(database, record)
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.quota.state) == ("timeout", "released")
    assert failed.completed_at == DEADLINE
    assert failed.expires_at == DEADLINE + timedelta(days=failed.retention_days)
    assert await reserved_and_charged(database, record) == (0, 0)
    assert await QuotaAudit(database).differences() == []


async def test_a_job_with_time_left_or_already_claimed_goes_on(database: Database) -> None:
    waiting = await queued(database, deadline_at=DEADLINE)
    claimed = await queued(database, deadline_at=DEADLINE)
    assert await claim(database, claimed) is not None

    before = DEADLINE - timedelta(milliseconds=1)
    assert await JobStore(database).fail_overdue(waiting.id, at=before) is None
    assert await JobStore(database).fail_overdue(claimed.id, at=DEADLINE) is None

    assert (await current(database, waiting)).status is Status.QUEUED
    assert (await current(database, claimed)).status is Status.PROCESSING


@pytest.mark.parametrize("_round", range(10))
async def test_claim_cancel_and_deadline_race_to_one_end(database: Database, _round: int) -> None:
    record = await queued(database, deadline_at=DEADLINE)

    claimed, canceled, failed = await asyncio.gather(
        claim(database, record),
        JobStore(database).cancel_queued(
            record.id, workspace=record.workspace, reason="test", at=DEADLINE
        ),
        JobStore(database).fail_overdue(record.id, at=DEADLINE),
    )

    assert [claimed is None, canceled is None, failed is None].count(False) == 1
    assert await QuotaAudit(database).differences() == []


async def test_the_sweep_finds_overdue_jobs_of_its_shard_alone(database: Database) -> None:
    late = await queued(database, deadline_at=DEADLINE)
    await queued(database, deadline_at=DEADLINE + timedelta(seconds=1))
    await queued(database, deadline_at=DEADLINE, namespace="other")

    found = [r.id for r in await JobStore(database).overdue(namespace="imagerift", at=DEADLINE)]

    assert found == [late.id]
