"""Slots, attempts in flight, and what the operator's memory says of a job in all its parts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from imagerift_operator.in_flight import InFlight, RunningAttempt
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.memory import Memory
from imagerift_operator.pools import Replica
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.slots import Slots

from tests.unit.operator.builders import START, make_entry
from tests.unit.operator.test_job_index import resource

NOTHING: Any = None


class Server:
    """Stands in for a model server: keeps which attempts were flagged."""

    def __init__(self) -> None:
        self.flagged: list[str] = []

    async def cancel(self, attempt_id: str) -> None:
        self.flagged.append(attempt_id)


def running(entry: JobEntry, server: Server | None = None) -> RunningAttempt:
    replica = Replica(server or NOTHING, NOTHING, Slots(1))  # type: ignore[arg-type]
    return RunningAttempt(entry, replica, replica.slots.acquire(), START)


def test_a_slot_is_free_again_at_the_end_of_its_block() -> None:
    slots = Slots(2)
    slots.acquire()
    with pytest.raises(ValueError, match="broke"), slots.acquire():
        assert (slots.busy, slots.free) == (2, 0)
        raise ValueError("broke")
    assert (slots.busy, slots.free) == (1, 1)


def test_a_slot_released_before_is_not_released_twice() -> None:
    slots = Slots(2)
    slots.acquire()
    with slots.acquire() as slot:
        slot.close()
        assert (slots.busy, slots.free) == (1, 1)
    assert (slots.busy, slots.free) == (1, 1)


def test_a_server_with_fewer_slots_than_are_taken_has_none_free() -> None:
    slots = Slots(3)
    taken = [slots.acquire() for _ in range(3)]
    slots.asked = 1
    assert slots.free == 0
    for slot in taken:
        slot.close()
    assert slots.free == 1


async def test_the_end_of_an_attempt_is_not_that_of_the_next_one_of_its_job() -> None:
    in_flight = InFlight()
    entry = make_entry("a")
    first, second = running(entry), running(entry)
    work = asyncio.Event()
    in_flight.begin(first, _until(work))
    in_flight.drop("a")
    in_flight.begin(second, _until(work))
    in_flight.end(first)
    assert "a" in in_flight
    in_flight.end(second)
    assert len(in_flight) == 0
    work.set()
    await asyncio.gather(*(attempt.task for attempt in (first, second) if attempt.task))


async def test_a_cancel_reaches_the_model_once_the_attempt_has_its_number() -> None:
    in_flight, server = InFlight(), Server()
    attempt = running(make_entry("a"), server)
    in_flight.begin(attempt, _until(asyncio.Event()))
    await in_flight.cancel("a")
    await in_flight.cancel("unknown")
    assert server.flagged == []
    attempt.number = 2
    await in_flight.cancel("a")
    assert server.flagged == ["a/2"]
    in_flight.abandon()
    await in_flight.wait()
    assert attempt.task is not None and attempt.task.cancelled()


async def test_only_live_jobs_that_neither_wait_nor_run_are_idle() -> None:
    memory = Memory(JobIndex(), Scheduler(), InFlight())
    waits, runs, idle, over = (
        memory.index.observe(resource(name, f"uid-{name}")).entry
        for name in ("waits", "runs", "idle", "over")
    )
    memory.enqueue(waits)
    memory.in_flight.begin(running(runs), _until(asyncio.Event()))
    ended = resource("over", "uid-over") | {"status": {"phase": "Failed"}}
    memory.index.observe(ended)
    assert over.ended
    assert memory.idle() == [idle]
    memory.in_flight.abandon()
    await memory.in_flight.wait()


async def test_a_job_taken_back_from_its_attempt_waits_again_and_says_so() -> None:
    memory = Memory(JobIndex(), Scheduler(), InFlight())
    entry = memory.index.observe(resource("job-1", "uid-1")).entry
    attempt = running(entry)
    memory.in_flight.begin(attempt, _until(asyncio.Event()))
    memory.requeue(entry, 3)
    assert "job-1" not in memory.in_flight
    assert "job-1" in memory.scheduler
    assert entry.attempt == 3
    assert memory.changed.is_set()
    assert attempt.task is not None
    attempt.task.cancel()
    await asyncio.wait([attempt.task])


async def _until(event: asyncio.Event) -> None:
    await event.wait()
