"""Which waiting jobs are told why they wait: those that have waited for 15 s, once a wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from imagerift_core.kube_calls import KubeRefused
from imagerift_core.mongo.scheduler_snapshot import QueuePosition
from imagerift_operator import waiting_reasons
from imagerift_operator.job_entry import JobEntry, entry_of
from imagerift_operator.job_index import JobIndex
from imagerift_operator.job_status import waiting_status
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.waiting_reasons import MOST_AT_ONCE, WaitingReasons

from tests.unit.operator.builders import START, isolation, make_entry


class Queue:
    """Jobs that wait, and what is written of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scheduler = Scheduler()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.reasons = WaitingReasons(self.scheduler, cast(Any, self))
        self.at = START
        self.isolated = isolation()
        self.refused: set[str] = set()
        monkeypatch.setattr(waiting_reasons, "now", lambda: self.at)

    async def show_waiting(self, entry: JobEntry, status: dict[str, Any]) -> bool:
        if entry.job_id in self.refused:
            raise KubeRefused(status=403, reason="Forbidden")
        self.told.append((entry.job_id, status))
        JobIndex().set_explained(entry)
        return True

    async def look(self, seconds: float, **reasons: str) -> list[str]:
        """Whose reason is written at a look so long after the start, by job: the reason it has."""
        self.at = START + timedelta(seconds=seconds)
        values = reasons or {entry.job_id: "waiting_for_turn" for entry in self.scheduler.order()}
        positions = {
            job_id.replace("_", "-"): QueuePosition.model_validate(
                {"position": position, "eta_seconds": None, "reason": reason}
            )
            for position, (job_id, reason) in enumerate(values.items(), start=1)
        }
        self.reasons.look(positions, self.at)
        before = len(self.told)
        await self.reasons.tell(self.isolated)
        return [job_id for job_id, _ in self.told[before:]]


async def test_a_job_is_told_once_and_not_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(monkeypatch)
    queue.scheduler.add(make_entry("a"))
    queue.scheduler.add(make_entry("b", after=10))
    assert await queue.look(14) == []
    assert await queue.look(15) == ["a"]
    assert await queue.look(20) == []
    assert await queue.look(25) == ["b"]
    assert await queue.look(300) == []


async def test_a_job_whose_turn_came_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(monkeypatch)
    queue.scheduler.add(make_entry("a"))
    await queue.look(10)
    queue.at = START + timedelta(seconds=20)
    assert queue.scheduler.next({"*/style/base"}) is not None
    await queue.reasons.tell(queue.isolated)
    assert queue.told == []


async def test_a_job_that_ran_waits_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(monkeypatch)
    queue.scheduler.add(make_entry("a", attempt=1))
    assert await queue.look(60) == []
    assert await queue.look(74) == []
    assert await queue.look(75) == ["a"]


async def test_a_deep_queue_costs_little_and_stuck_jobs_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queue(monkeypatch)
    names = [f"job-{number:02}" for number in range(50)]
    for name in names:
        queue.scheduler.add(make_entry(name))
    reasons = dict.fromkeys((name.replace("-", "_") for name in names), "waiting_for_turn")
    reasons["job_30"] = "pool_unavailable"
    told = await queue.look(30, **reasons)
    assert told == ["job-30", *names[: MOST_AT_ONCE - 1]]


def body(status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "a", "uid": "u", "creationTimestamp": "2026-11-22T12:00:00Z"}
    return {"metadata": metadata, "spec": {}, "status": status}


def test_a_status_says_itself_whether_it_tells() -> None:
    queue_position = QueuePosition(position=3, eta_seconds=None, reason="pool_unavailable")
    status = waiting_status(make_entry("a"), queue_position, at=START)
    assert status["reason"] == "PoolUnavailable"
    assert status["message"].startswith("At 12:00:00 UTC, number 3 in the queue: no pool")
    assert (status["phase"], status["position"]) == ("Queued", 3)
    assert entry_of(body(status)).explained
    # As the server fills it in, before anybody has written.
    assert not entry_of(body({"phase": "Queued"})).explained
    assert not entry_of(body({"phase": "Running", "reason": "Sent"})).explained


async def test_those_that_are_refused_take_no_others_place(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(monkeypatch)
    for number in range(MOST_AT_ONCE + 3):
        queue.scheduler.add(make_entry(f"job-{number:02}"))
    queue.refused = {f"job-{number:02}" for number in range(MOST_AT_ONCE)}
    assert await queue.look(15) == []
    assert await queue.look(20) == ["job-20", "job-21", "job-22"]
