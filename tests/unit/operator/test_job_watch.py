"""What the feed does when the watch tells of an end, or a record alone may tell."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_operator.in_flight import InFlight
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.job_watch import JobWatch
from imagerift_operator.memory import Memory
from imagerift_operator.scheduler import Scheduler

from tests.unit.operator.test_job_entry import body

NOTHING: Any = None


class Deletions:
    """Keeps which resources are due to be deleted."""

    def __init__(self) -> None:
        self.due: list[str] = []

    def delete_later(self, entry: JobEntry) -> None:
        self.due.append(entry.uid)


class Follower:
    leading = False


@pytest.fixture
def deletions() -> Deletions:
    return Deletions()


@pytest.fixture
def memory() -> Memory:
    return Memory(JobIndex(), Scheduler(), InFlight())


@pytest.fixture
def job_watch(memory: Memory, deletions: Deletions) -> JobWatch:
    writer: Any = deletions
    follower: Any = Follower()
    return JobWatch(
        jobs=NOTHING,
        memory=memory,
        writer=writer,
        admission=NOTHING,
        plan_limits=NOTHING,
        leadership=follower,
    )


def ended(**changes: Any) -> dict[str, Any]:
    status = {"phase": "Succeeded", "finishedAt": "2026-11-22T12:00:05Z"}
    return body(status=status, **changes)


def test_an_end_that_only_the_resource_tells_of_does_not_have_it_deleted(
    job_watch: JobWatch, memory: Memory, deletions: Deletions
) -> None:
    job_watch.observe("MODIFIED", ended())
    assert deletions.due == []
    (entry,) = memory.index
    assert entry.ended and not entry.verified


def test_an_end_that_the_operator_wrote_does(
    job_watch: JobWatch, memory: Memory, deletions: Deletions
) -> None:
    job_watch.observe("MODIFIED", ended())
    (entry,) = memory.index
    memory.index.set_verified(entry, verified=True)
    job_watch.observe("MODIFIED", ended())
    assert deletions.due == [entry.uid]


async def test_what_is_gone_neither_waits_nor_is_known(job_watch: JobWatch, memory: Memory) -> None:
    entry = memory.index.observe(body()).entry
    memory.enqueue(entry)
    job_watch.observe("DELETED", body())
    assert entry.uid not in memory.index
    assert entry.job_id not in memory.scheduler
    await job_watch.close()
