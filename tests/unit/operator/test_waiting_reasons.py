"""Which waiting jobs are told why they wait: after 15 s, and anew where there is news."""

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
from imagerift_operator.waiting_reasons import MOST_AT_ONCE, REFRESHED_AT_ONCE, WaitingReasons

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
        self.eta: float | None = None
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
                {"position": position, "eta_seconds": self.eta, "reason": reason}
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
    assert status["phase"] == "Queued"
    assert status["queue"] == {
        "position": 3,
        "reason": "PoolUnavailable",
        "at": "2026-11-22T12:00:00.000Z",
    }
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


async def test_news_are_told_30_s_after_the_last_at_the_earliest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queue(monkeypatch)
    queue.scheduler.add(make_entry("a"))
    assert await queue.look(15, a="waiting_for_turn") == ["a"]
    assert await queue.look(44, a="pool_unavailable") == []
    assert await queue.look(45, a="pool_unavailable") == ["a"]
    assert queue.told[-1][1]["queue"]["reason"] == "PoolUnavailable"
    assert await queue.look(75, a="pool_unavailable") == []
    assert await queue.look(76, a="waiting_for_slot") == ["a"]


async def test_an_estimate_that_holds_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(monkeypatch)
    queue.scheduler.add(make_entry("a"))
    queue.eta = 600
    await queue.look(20)
    assert queue.told[0][1]["queue"]["estimate"] == "2026-11-22T12:10:20.000Z"
    queue.eta = 560
    assert await queue.look(60) == []
    queue.eta = 580
    assert await queue.look(60) == ["a"]
    queue.eta = None
    assert await queue.look(90) == ["a"]
    assert "estimate" not in queue.told[-1][1]["queue"]


async def test_news_of_a_deep_queue_stay_within_their_budget_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queue(monkeypatch)
    names = [f"job_{number}" for number in range(MOST_AT_ONCE)]
    for name in names:
        queue.scheduler.add(make_entry(name.replace("_", "-")))
    told = await queue.look(15, **dict.fromkeys(names, "waiting_for_turn"))
    assert len(told) == MOST_AT_ONCE
    news = dict.fromkeys(names, "waiting_for_slot")
    again = [job for seconds in range(60, 70, 2) for job in await queue.look(seconds, **news)]
    assert again == told and len(again) == 5 * REFRESHED_AT_ONCE
    # Those of whom nothing was said yet come before.
    more = [f"more_{number}" for number in range(MOST_AT_ONCE)]
    for name in more:
        queue.scheduler.add(make_entry(name.replace("_", "-")))
    stuck = dict.fromkeys([*names, *more], "pool_unavailable")
    assert set(await queue.look(110, **stuck)) == {name.replace("_", "-") for name in more}


async def test_what_another_process_has_told_is_told_anew_30_s_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queue(monkeypatch)
    entry = make_entry("a")
    JobIndex().set_explained(entry)
    queue.scheduler.add(entry)
    assert await queue.look(100) == []
    assert await queue.look(129) == []
    assert await queue.look(130) == ["a"]
