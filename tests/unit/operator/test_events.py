"""Events are few: once a failed job, counted for a pool, and dropped rather than in the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable
from imagerift_core.kube_events import Regarding
from imagerift_operator import events
from imagerift_operator.events import MOST_BEFORE_NORMAL, EventWriter

from tests.unit.operator.builders import START, make_entry, make_record

SECOND = timedelta(seconds=1)
POOL = Regarding("TritonPool", "l4", "uid-1")
FAILED = {"reason": "Timeout", "message": "too late"}


class Server:
    """Stands in for the API server's Events, and for the metrics."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.reasons: list[str] = []
        self.notes: list[str] = []
        self.counts: list[int] = []
        self.trouble: list[Exception] = []
        self.gone = False

    async def create(self, name: str, _: Regarding, **more: Any) -> bool:
        if self.trouble:
            raise self.trouble.pop()
        if name in self.names:
            return False
        self.names.append(name)
        self.reasons.append(more["reason"])
        self.notes.append(more["note"])
        return True

    async def repeat(self, _: str, *, count: int, **__: Any) -> bool:
        if not self.gone:
            self.counts.append(count)
        return not self.gone

    def kubernetes_write(self, verb: str) -> None:
        assert verb == "event"


class Writing:
    """A writer whose clock the test moves, and which never pauses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.at = Server(), START
        monkeypatch.setattr(events, "now", lambda: self.at)
        monkeypatch.setattr(events, "PAUSE_SECONDS", 0)
        server = cast(Any, self.server)
        self.writer = EventWriter(server, server, identity="host-1-abc")

    def pass_minutes(self, minutes: float) -> None:
        self.at += timedelta(minutes=minutes)

    async def written(self) -> None:
        """Waits until everything that was told is written."""
        task = asyncio.create_task(self.writer.run())
        await self.writer._waiting.join()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_job_fails_once_however_often_its_status_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writing = Writing(monkeypatch)
    entry = make_entry("job-1")
    for _ in range(3):
        writing.writer.job_failed(entry, FAILED)
    writing.writer.job_failed(make_entry("job-1", uid="another of that name"), FAILED)
    await writing.written()
    assert writing.server.reasons == ["Timeout", "Timeout"]
    assert all(name.startswith("job-1.") for name in writing.server.names)


async def test_a_long_name_still_makes_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(monkeypatch)
    writing.writer.job_failed(make_entry("a" * 199 + "." + "b" * 53), FAILED)
    await writing.written()
    (name,) = writing.server.names
    assert len(name) <= 253 and ".." not in name


async def test_the_same_trouble_is_one_event_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(monkeypatch)
    for _ in range(5):
        writing.writer.tell(POOL, "Warning", "CrashLoopBackOff", "words")
    await writing.written()
    assert (writing.server.reasons, writing.server.counts) == (["CrashLoopBackOff"], [])
    writing.pass_minutes(2)
    writing.writer.tell(POOL, "Warning", "CrashLoopBackOff", "words")
    writing.writer.tell(POOL, "Warning", "OOMKilled", "words")
    await writing.written()
    assert writing.server.counts == [6]
    assert writing.server.reasons == ["CrashLoopBackOff", "OOMKilled"]
    # Servers keep an Event for an hour.
    writing.server.gone = True
    writing.pass_minutes(2)
    writing.writer.tell(POOL, "Warning", "CrashLoopBackOff", "words")
    await writing.written()
    assert writing.server.reasons[2:] == ["CrashLoopBackOff"]


async def test_a_burst_is_bounded_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(monkeypatch)
    for number in range(events.MAX_WAITING + 100):
        writing.writer.job_failed(make_entry(f"job-{number}"), FAILED)
    await writing.written()
    assert len(writing.server.names) == events.MAX_WAITING


@pytest.mark.parametrize(
    "trouble", [KubeUnavailable("TimeoutError"), KubeRefused(status=403, reason="Forbidden")]
)
async def test_an_event_that_cannot_be_written_is_let_go(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    writing = Writing(monkeypatch)
    writing.server.trouble = [trouble]
    writing.writer.tell(POOL, "Warning", "ImagePullBackOff", "words")
    writing.writer.tell(POOL, "Warning", "FailedCreate", "words")
    await writing.written()
    assert writing.server.reasons == ["FailedCreate"]


async def test_a_job_that_goes_straight_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(monkeypatch)
    entry = make_entry("job-1")
    record = make_record(started_at=START + 14 * SECOND, completed_at=START + 16 * SECOND)
    writing.writer.job_dispatched(entry, record)
    writing.writer.job_completed(entry, record)
    await writing.written()
    assert writing.server.reasons == []


async def test_the_way_of_a_job_that_waited_or_failed_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writing = Writing(monkeypatch)
    entry = make_entry("job-1")
    late = make_record(started_at=START + 75 * SECOND, completed_at=START + 80 * SECOND, pool="l4")
    writing.writer.job_dispatched(entry, late)
    again = make_record(attempt=2, started_at=START, completed_at=START + SECOND, pool="l4")
    writing.writer.job_retried(entry, make_record(attempt=1), "out_of_memory")
    writing.writer.job_dispatched(entry, again)
    for _ in range(2):
        writing.writer.job_completed(entry, again)
    await writing.written()
    # The second Dispatched is the first one's, counted; the end is told once.
    assert writing.server.reasons == ["Dispatched", "Retried", "Completed"]
    assert writing.server.notes[0] == ("Attempt 1 is sent to the pool l4. It has waited for 1m15s.")
    assert writing.server.notes[1] == "Attempt 1 failed (out_of_memory); the job is tried again."
    assert writing.server.notes[2] == "0 output(s) delivered, 1.0s after it was accepted."


async def test_what_is_no_trouble_waits_behind_little_and_takes_no_place_of_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writing = Writing(monkeypatch)
    for number in range(MOST_BEFORE_NORMAL + 5):
        writing.writer.job_accepted(make_entry(f"job-{number}", uid=f"uid-{number}"))
    writing.writer.job_failed(make_entry("bad", uid="bad"), FAILED)
    await writing.written()
    assert writing.server.reasons == ["Accepted"] * MOST_BEFORE_NORMAL + ["Timeout"]
