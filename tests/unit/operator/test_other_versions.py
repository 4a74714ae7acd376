"""Resources whose records another version wrote, or cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core.jobs import SCHEMA_VERSION, JobRecord
from imagerift_core.stored import Unreadable, read
from imagerift_operator.job_index import JobIndex
from imagerift_operator.outcomes import Outcomes
from imagerift_operator.sweeps.records import reconcile_idle, verify_ends

from tests.unit.operator.builders import isolation, make_entry, make_record
from tests.unit.operator.test_job_index import resource

PAUSED = read(JobRecord, make_record().document() | {"status": "paused"})
NEWER = make_record(schema_version=SCHEMA_VERSION + 1, status="queued")
UNREADABLE = Unreadable("JobRecord", "job-1", ["spec"])
NOTHING: Any = None


class Records:
    """A store with one record."""

    def __init__(self, record: JobRecord | Unreadable) -> None:
        self._record = record

    async def get_many(self, job_ids: Sequence[str]) -> dict[str, JobRecord | Unreadable]:
        return {"job-1": self._record} if "job-1" in job_ids else {}

    async def get(self, _job_id: str) -> JobRecord:
        assert isinstance(self._record, JobRecord)
        return self._record


class Untouched:
    """A writer, watch or memory of which nothing is asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


@pytest.mark.parametrize("record", [PAUSED, UNREADABLE])
async def test_an_end_is_not_taken_back_nor_swept(record: JobRecord | Unreadable) -> None:
    index = JobIndex()
    body = resource("job-1", "uid-1")
    body["status"] = {"phase": "Succeeded", "finishedAt": "2026-11-22T12:00:00Z"}
    entry = index.observe(body).entry
    jobs: Any = Records(record)
    untouched: Any = Untouched()
    await verify_ends(isolation(), jobs, index, untouched, untouched)
    assert entry.ended and not entry.verified


async def test_a_record_that_cannot_be_read_is_not_missing() -> None:
    class Idle:
        def idle(self) -> list[Any]:
            return [make_entry("job-1")]

    jobs: Any = Records(UNREADABLE)
    memory: Any = Idle()
    untouched: Any = Untouched()
    await reconcile_idle(
        isolation(),
        jobs,
        memory,
        untouched,
        untouched,
        writer=untouched,
        record_grace=timedelta(seconds=-60),
    )


@pytest.mark.parametrize(("record", "queued"), [(NEWER, []), (make_record(), ["job-1"])])
async def test_what_only_a_newer_version_may_run_is_not_queued(
    record: JobRecord, queued: list[str]
) -> None:
    enqueued: list[str] = []

    class Memory:
        index = JobIndex()

        def enqueue(self, entry: Any, *, not_before: Any) -> None:
            del not_before
            enqueued.append(entry.job_id)

    outcomes = Outcomes(
        jobs=Records(record),  # type: ignore[arg-type]
        memory=Memory(),  # type: ignore[arg-type]
        settler=NOTHING,
        deliveries=NOTHING,
        writer=NOTHING,
        metrics=NOTHING,
        crash=NOTHING,
    )
    await outcomes.reconcile(make_entry("job-1"))
    assert enqueued == queued
