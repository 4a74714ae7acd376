"""How far attempts are: what is asked of which server, and what is made of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from math import inf
from typing import Any, cast

import pytest
from imagerift_core.clock import now
from imagerift_core.model_documents import AttemptProgress, ControlAnswer
from imagerift_core.modes import load_modes
from imagerift_core.mongo.scheduler_snapshot import SchedulerSnapshot
from imagerift_core.triton import ModelServer, TritonRefused, TritonUnavailable
from imagerift_operator.call_limits import CallLimit
from imagerift_operator.in_flight import InFlight, RunningAttempt
from imagerift_operator.job_index import JobIndex
from imagerift_operator.memory import Memory
from imagerift_operator.pools import CONTROL_MODEL, Replica
from imagerift_operator.progress import ProgressWatch, job_progress
from imagerift_operator.queue_publisher import QueuePublisher
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.slots import Slots
from imagerift_operator.wait_estimates import Pace

from tests.unit.operator.builders import isolation, make_entry


def told(**members: Any) -> AttemptProgress:
    return AttemptProgress.model_validate({"stage": "model"} | members)


def shown(expected: float = inf, *, pictures: int = 4, **members: Any) -> tuple[Any, ...]:
    """Share and seconds left of a job of so many pictures."""
    made = job_progress(told(**members), attempt=1, pictures=pictures, expected_seconds=expected)
    return made.share, made.eta_seconds


def test_a_share_and_an_estimate_are_made_of_the_measured_steps() -> None:
    step: dict[str, Any] = {"steps": 30, "stepSeconds": 0.5}
    # Of four pictures two are drawn at once, and the other two after them.
    assert shown(step=15, together=2, **step) == (pytest.approx(0.95 / 4, abs=1e-3), 22.5)
    assert shown(step=15, together=2, drawn=2, **step) == (
        pytest.approx(0.95 * 3 / 4, abs=1e-3),
        7.5,
    )
    assert shown(step=30, together=4, **step) == (0.95, 0)


def test_what_such_jobs_took_is_the_estimate_where_no_steps_are_told() -> None:
    assert shown(12.34, drawn=2) == (pytest.approx(0.475), 12.3)
    assert shown(inf, drawn=2)[1] is None
    assert shown(9.0, step=0, steps=30)[1] == 9.0
    assert shown(3.0, stage="upload", drawn=4, finished=2, step=30, steps=30, stepSeconds=1.0) == (
        pytest.approx(0.975),
        3.0,
    )


def test_a_model_that_tells_more_than_there_is_makes_no_more_of_it() -> None:
    assert shown(drawn=9, finished=9, pictures=4) == (1.0, None)
    assert shown(step=40, steps=30, together=9, pictures=4)[0] == 0.95
    made = job_progress(told(stage="dreaming"), attempt=2, pictures=1, expected_seconds=inf)
    assert (made.stage, made.attempt, made.variation) == ("dreaming", 2, 0)


def test_pictures_that_were_not_asked_for_are_not_shown() -> None:
    made = job_progress(told(shown=[9, 1, 0, 1]), attempt=1, pictures=4, expected_seconds=inf)
    assert made.shown == [0, 1]


class Server(ModelServer):
    """A replica that tells what it is given to tell."""

    address = "10.0.0.7:8000"

    def __init__(self, answer: dict[str, Any] | Exception | None = None) -> None:
        self.answer = answer or {}
        self.asked: list[list[str]] = []

    async def progress(self, attempt_ids: Sequence[str]) -> ControlAnswer:
        self.asked.append(list(attempt_ids))
        if isinstance(self.answer, Exception):
            raise self.answer
        return ControlAnswer.model_validate(self.answer)


def running(in_flight: InFlight, server: Server, job_id: str, seconds: float) -> RunningAttempt:
    """An attempt that has run for so long."""
    replica = Replica(server, cast(Any, None), Slots(4), [CONTROL_MODEL])
    since = now() - timedelta(seconds=seconds)
    attempt = RunningAttempt(make_entry(job_id, units=2), replica, ExitStack(), since, number=3)
    in_flight._attempts[job_id] = attempt
    return attempt


async def test_a_server_is_asked_once_for_all_its_attempts_but_the_shortest() -> None:
    in_flight = InFlight()
    answer = {"progress": {"a/3": {"stage": "model", "step": 1}, "stranger/1": {"stage": "fetch"}}}
    one, other = Server(answer), Server(TritonUnavailable("away", sent=True))
    first, second = running(in_flight, one, "a", 2), running(in_flight, one, "b", 2)
    running(in_flight, one, "short", 0)
    running(in_flight, one, "answered", 9).answered = True
    running(in_flight, one, "not claimed", 9).number = None
    away = running(in_flight, other, "c", 2)
    away.progress = told(step=7)
    await ProgressWatch(in_flight).look(isolation())
    assert (one.asked, other.asked) == ([["a/3", "b/3"]], [["c/3"]])
    assert (first.progress, second.progress) == (told(step=1), None)
    assert away.progress == told(step=7), "of a server that is away, what it told stays"


async def test_while_only_short_jobs_run_no_server_is_asked() -> None:
    in_flight, server = InFlight(), Server()
    for number in range(9):
        running(in_flight, server, str(number), 0.2)
    await ProgressWatch(in_flight).look(isolation())
    assert server.asked == []


async def test_what_is_told_is_published_with_the_queue_and_with_it_alone() -> None:
    written: list[SchedulerSnapshot] = []
    memory = Memory(JobIndex(), Scheduler(), InFlight())
    server = Server()
    running(memory.in_flight, server, "silent", 5)
    running(memory.in_flight, server, "a", 5).progress = told(step=3, steps=12, variation=1)

    class Stores:
        async def write(self, snapshot: SchedulerSnapshot) -> None:
            written.append(snapshot)

        def __iter__(self) -> Iterator[Any]:
            return iter(())

        def serving(self) -> list[Any]:
            return []

        def look(self, *_: object) -> None:
            """Of the reasons that jobs wait for."""

    stand_in = cast(Any, Stores())
    publisher = QueuePublisher(
        snapshots=stand_in,
        memory=memory,
        pools=stand_in,
        pace=Pace(),
        waiting_reasons=stand_in,
        modes=load_modes(),
        namespace="imagerift",
    )
    await publisher.publish()
    [snapshot] = written
    assert list(snapshot.progress) == ["a"]
    progress = snapshot.progress["a"]
    assert (progress.attempt, progress.step, progress.steps, progress.variation) == (3, 3, 12, 1)


async def test_while_an_attempt_waits_for_its_model_none_of_its_time_passes() -> None:
    in_flight = InFlight()
    server = Server({"progress": {"a/3": {"stage": "waiting"}}})
    attempt = running(in_flight, server, "a", 40)

    async def call() -> None:
        async with attempt.limit.within(0.2, spare=60):
            await asyncio.sleep(0)
            # Looked at while it waits, it is given the forty seconds again.
            await ProgressWatch(in_flight).look(isolation())
            await asyncio.sleep(0.4)

    await call()
    assert now() - attempt.since < timedelta(seconds=30)


async def test_a_call_waits_no_longer_than_it_may() -> None:
    limit = CallLimit()
    with pytest.raises(TimeoutError):
        async with limit.within(0.05, spare=0.05):
            for _ in range(1_000):
                limit.waited(1_000)
            await asyncio.sleep(30)
    limit.waited(1)


@pytest.mark.parametrize(
    ("asked", "said", "size"),
    [
        (2, {"generate": 4}, 2),
        (8, {"generate": 4}, 4),
        (None, {"generate": 4}, 4),
        (None, {}, 1),
        (8, {}, 8),
        (8, {"other": 2}, 8),
        (None, {"generate": 4, "noop": 2}, 2),
    ],
)
async def test_slots_are_what_is_asked_for_and_no_more_than_the_server_says(
    asked: int | None, said: dict[str, int], size: int
) -> None:
    slots = Slots(asked)
    models = {"generate"} | ({"noop"} if "noop" in said else set())
    await slots.learn(Server({"slots": said}), models)
    assert slots.size == size


async def test_of_a_server_that_does_not_say_nothing_is_known() -> None:
    slots = Slots(3)
    await slots.learn(Server({"slots": {"generate": 1}}), {"generate"})
    assert slots.size == 1
    await slots.learn(Server(TritonRefused("an older one")), {"generate"})
    assert slots.size == 3
