"""How an attempt goes: when its slot is taken and free, and what follows each way it can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest
from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobError, JobRecord
from imagerift_core.model_documents import ModelAnswer
from imagerift_operator.dispatcher import Dispatcher
from imagerift_operator.in_flight import InFlight
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.memory import Memory
from imagerift_operator.pools import CONTROL_MODEL, Choice, Replica
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.slots import Slots
from imagerift_operator.wait_estimates import Pace

from tests.unit.operator.builders import make_record
from tests.unit.operator.test_job_index import resource

TARGET = "*/style/base"


class Shard:
    """One server with one slot, and stand-ins for the store and the model."""

    identity = "operator-1"
    leading = True

    def __init__(self) -> None:
        self.memory = Memory(JobIndex(), Scheduler(), InFlight())
        self.replica = Replica(cast(Any, self), cast(Any, None), Slots(1), [CONTROL_MODEL])
        self.done: list[str] = []
        self._noted = asyncio.Event()
        self.claimed: JobRecord | Exception | None = make_record(deadline_at=None)
        # Both are open unless a test closes them.
        self.answer, self.end_written = asyncio.Event(), asyncio.Event()
        self.answer.set()
        self.end_written.set()
        stand_in: Any = self
        self.dispatcher = Dispatcher(
            memory=self.memory,
            pools=stand_in,
            leadership=stand_in,
            claims=stand_in,
            calls=stand_in,
            outcomes=stand_in,
            pace=Pace(),
        )

    def queue(self, name: str = "job-1") -> JobEntry:
        entry = self.memory.index.observe(resource(name, f"uid-{name}")).entry
        self.memory.enqueue(entry)
        return entry

    def _note(self, step: str) -> None:
        self.done.append(step)
        self._noted.set()

    async def reached(self, *steps: str) -> None:
        """Returns once these steps were taken, in this order."""
        async with asyncio.timeout(60):
            while self.done != list(steps):
                self._noted.clear()
                await self._noted.wait()

    async def over(self) -> None:
        """Returns once no attempt runs any longer."""
        async with asyncio.timeout(60):
            await self.memory.in_flight.wait()

    def choose(self) -> list[Choice]:
        free = self.replica.free
        return [Choice("default", self.replica, frozenset({TARGET}))] if free else []

    async def claim(self, entry: JobEntry, _: str) -> JobRecord | None:
        self._note(f"claim {entry.job_id}")
        if isinstance(self.claimed, Exception):
            raise self.claimed
        return self.claimed

    async def run(self, *_: object) -> ModelAnswer:
        self._note("send")
        await self.answer.wait()
        return ModelAnswer()

    async def end(self, *_: object) -> None:
        self._note("end")
        await self.end_written.wait()

    async def fail(self, _: JobEntry, __: JobRecord, error: JobError) -> None:
        self._note(f"fail {error.code}")

    async def reconcile(self, _: JobEntry) -> None:
        self._note("reconcile")

    async def return_to_queue(self, entry: JobEntry, attempt: int, owner: str) -> bool:
        self._note(f"give back {attempt} of {owner}")
        self.memory.in_flight.drop(entry.job_id)
        return True

    async def cancel(self, attempt_id: str) -> None:
        self._note(f"flag {attempt_id}")


@pytest.fixture
async def shard() -> AsyncIterator[Shard]:
    shard = Shard()
    loop = asyncio.create_task(shard.dispatcher.run())
    yield shard
    loop.cancel()
    shard.memory.in_flight.abandon()
    await asyncio.wait([loop])


async def test_a_slot_is_the_next_jobs_before_the_end_of_the_last_one_is_written(
    shard: Shard,
) -> None:
    shard.end_written.clear()
    shard.queue("a")
    await shard.reached("claim a", "send", "end")
    assert shard.replica.slots.free == 1
    assert "a" in shard.memory.in_flight
    shard.queue("b")
    await shard.reached("claim a", "send", "end", "claim b", "send", "end")
    shard.end_written.set()
    await shard.over()


async def test_no_more_is_sent_than_there_are_slots(shard: Shard) -> None:
    shard.answer.clear()
    shard.queue("a")
    shard.queue("b")
    await shard.reached("claim a", "send")
    assert shard.replica.slots.free == 0
    assert "b" in shard.memory.scheduler
    shard.answer.set()
    await shard.reached("claim a", "send", "end", "claim b", "send", "end")


async def test_a_job_that_is_not_as_it_was_seen_is_reconciled_and_not_sent(shard: Shard) -> None:
    shard.claimed = None
    shard.queue()
    await shard.reached("claim job-1", "reconcile")
    await shard.over()
    assert shard.replica.slots.free == 1


async def test_a_job_whose_deadline_has_passed_is_failed_and_not_sent(shard: Shard) -> None:
    shard.claimed = make_record(deadline_at=now() - timedelta(seconds=1))
    shard.queue()
    await shard.reached("claim job-1", "fail timeout")
    await shard.over()
    assert shard.replica.slots.free == 1


async def test_while_the_store_is_away_the_job_waits(shard: Shard) -> None:
    shard.claimed = CapacityUnavailable("away")
    entry = shard.queue()
    await shard.reached("claim job-1")
    await shard.over()
    assert entry.job_id in shard.memory.scheduler
    assert shard.memory.scheduler.waiting(entry.job_id) is None, "it is to wait for its time"
    assert shard.replica.slots.free == 1


async def test_who_stops_hands_back_what_the_model_still_works_on(shard: Shard) -> None:
    shard.answer.clear()
    shard.queue()
    await shard.reached("claim job-1", "send")
    await shard.dispatcher.drain(0)
    shard.queue("late")
    await shard.reached("claim job-1", "send", "flag job-1/1", "give back 1 of operator-1")
    assert "late" in shard.memory.scheduler


async def test_who_stops_still_writes_the_end_of_what_was_answered(shard: Shard) -> None:
    shard.end_written.clear()
    shard.queue()
    await shard.reached("claim job-1", "send", "end")
    drained = asyncio.create_task(shard.dispatcher.drain(0))
    shard.end_written.set()
    await drained
    assert shard.done == ["claim job-1", "send", "end"]
    assert len(shard.memory.in_flight) == 0
