"""A pool's conditions say what is known, and are written and told of where they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from imagerift_core.kube_calls import KubeUnavailable
from imagerift_core.kube_workloads import Trouble
from imagerift_operator.pool_status import (
    Condition,
    PoolReporter,
    ReportedStatus,
    ServersSeen,
    endpoint_conditions,
    refused_conditions,
    template_conditions,
)

from tests.unit.operator.builders import isolation

PULL = Trouble("ImagePullBackOff", 'Back-off pulling image "none:1"')
REFUSED = Trouble("ApplyRefused", "The API server refuses the servers: quota")
NOWHERE = "0/3 nodes are available"


def told(conditions: list[Condition]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


@pytest.mark.parametrize(
    ("seen", "ready", "expected"),
    [
        (None, 0, ["Unknown NotSeen", "Unknown NotSeen", "Unknown NotSeen"]),
        (None, 1, ["True ReplicasReady", "Unknown NotSeen", "Unknown NotSeen"]),
        (ServersSeen(0), 0, ["False ScaledToZero", "True Complete", "Unknown NoServer"]),
        (ServersSeen(2), 0, ["False NoServer", "True NoServer", "Unknown NoServer"]),
        (ServersSeen(2, 2, 1), 0, ["False Starting", "True Starting", "Unknown NotPlaced"]),
        (ServersSeen(2, 2, 2), 1, ["True ReplicasReady", "True Starting", "False Scheduled"]),
        (ServersSeen(2, 2, 2), 2, ["True ReplicasReady", "True Complete", "False Scheduled"]),
        # On the way down there are more than are asked for.
        (ServersSeen(1, 3, 3), 3, ["True ReplicasReady", "True Complete", "False Scheduled"]),
        (
            ServersSeen(1, trouble=REFUSED),
            0,
            ["False ApplyRefused", "False ApplyRefused", "Unknown NoServer"],
        ),
        (
            ServersSeen(1, 1, 1, 1, trouble=PULL),
            0,
            ["False ImagePullBackOff", "False ImagePullBackOff", "False Scheduled"],
        ),
        # An update that does not come up beside servers that work.
        (
            ServersSeen(1, 2, 2, 1, trouble=PULL),
            1,
            ["True ReplicasReady", "False ImagePullBackOff", "False Scheduled"],
        ),
        (
            ServersSeen(1, 1, 0, 1, NOWHERE, Trouble("Unschedulable", NOWHERE)),
            0,
            ["False Unschedulable", "False Unschedulable", "True Unschedulable"],
        ),
    ],
)
def test_each_condition_says_what_is_known_and_no_more(
    seen: ServersSeen | None, ready: int, expected: list[str]
) -> None:
    conditions = template_conditions(seen, ready=ready)
    assert [f"{c['status']} {c['reason']}" for c in conditions] == expected
    assert [c["type"] for c in conditions] == ["Ready", "Progressing", "Unschedulable"]
    if seen is None or seen.pods == 0:
        assert not any("Every server" in c["message"] for c in conditions)


def test_kubernetes_own_words_are_repeated_and_bounded() -> None:
    ready, progressing, _ = template_conditions(ServersSeen(1, trouble=REFUSED), ready=0)
    assert ready["message"] == progressing["message"] == REFUSED.words
    endless = Trouble("FailedCreate", "x" * 5000)
    assert len(template_conditions(ServersSeen(1, trouble=endless), ready=0)[0]["message"]) == 1024


@pytest.mark.parametrize(
    ("seen", "ready", "coming"),
    [
        (ServersSeen(0), 0, True),
        (ServersSeen(1, 1, 1), 0, True),
        (ServersSeen(1, 1, 1, 1, trouble=PULL), 0, False),
        (ServersSeen(1, trouble=REFUSED), 0, False),
        (ServersSeen(2, 2, 2, 1, trouble=PULL), 0, True),
        (ServersSeen(2, 2, 2, 1, trouble=PULL), 1, False),
    ],
)
def test_a_server_that_cannot_come_up_is_not_on_its_way(
    seen: ServersSeen, ready: int, coming: bool
) -> None:
    assert seen.is_coming(ready) is coming


class Recorder:
    """Stands in for the API server, the Events and the Lease."""

    def __init__(self) -> None:
        self.leading = True
        self.away = False
        self.written: list[dict[str, Any]] = []
        self.events: list[tuple[str, str]] = []
        self.heard: Callable[[dict[str, Any]], None] = lambda _: None

    async def patch_pool_status(self, _: str, status: dict[str, Any], **__: str) -> None:
        if self.away:
            raise KubeUnavailable("TimeoutError")
        self.written.append(status)
        self.heard(status)

    def tell(self, _: Any, kind: str, reason: str, __: str) -> None:
        self.events.append((kind, reason))


class Following:
    """One pool as a process reports it."""

    def __init__(self) -> None:
        self.server = Recorder()
        server = cast(Any, self.server)
        self.reporter = PoolReporter(server, server, server, isolation("pool reports"))
        self.status = ReportedStatus("l4", "uid-1")

    async def report(self, conditions: list[Condition]) -> None:
        await self.reporter.report(self.status, {"replicas": 0}, conditions)


async def test_it_is_written_where_it_changed_and_never_by_a_standby() -> None:
    pool = Following()
    pool.server.leading = False
    await pool.report(template_conditions(None, ready=0))
    assert pool.server.written == []
    pool.server.leading = True
    for _ in range(3):
        await pool.report(template_conditions(ServersSeen(0), ready=0))
    assert len(pool.server.written) == 1
    pool.server.away = True
    await pool.report(template_conditions(ServersSeen(1), ready=0))
    pool.server.away = False
    await pool.report(template_conditions(ServersSeen(1), ready=0))
    assert len(pool.server.written) == 2


async def test_trouble_is_told_when_it_comes_changes_and_ends() -> None:
    pool = Following()
    good, bad = ServersSeen(1, 1, 1), ServersSeen(1, 1, 1, 1, trouble=PULL)
    steps = [
        (ServersSeen(0), 0),
        (ServersSeen(1), 0),
        (bad, 0),
        (bad, 0),
        (ServersSeen(1, trouble=REFUSED), 0),
        (good, 0),
        (good, 1),
    ]
    for seen, ready in steps:
        await pool.report(template_conditions(seen, ready=ready))
    assert pool.server.events == [
        ("Warning", "ImagePullBackOff"),
        ("Warning", "ApplyRefused"),
    ]
    await pool.report(template_conditions(bad, ready=0))
    await pool.report(template_conditions(good, ready=1))
    assert pool.server.events[2:] == [("Warning", "ImagePullBackOff"), ("Normal", "Recovered")]


async def test_a_new_leader_tells_nothing_that_the_status_says_already() -> None:
    first, second = Following(), Following()
    await first.report(endpoint_conditions(ready=0, present=1))
    assert first.server.events == [("Warning", "NoReplicaReady")]
    (stored,) = first.server.written
    second.status.read({"status": stored})
    await second.report(endpoint_conditions(ready=0, present=1))
    assert second.server.events == []
    (written,) = second.server.written
    since = [status["conditions"][0]["lastTransitionTime"] for status in (stored, written)]
    assert since[0] == since[1]


async def test_trouble_is_told_where_the_watch_is_ahead_of_the_writes_answer() -> None:
    pool = Following()
    pool.server.heard = lambda status: pool.status.read({"status": status})
    await pool.report(template_conditions(ServersSeen(1, trouble=REFUSED), ready=0))
    assert pool.server.events == [("Warning", "ApplyRefused")]


async def test_a_spec_that_breaks_a_rule_is_said_once() -> None:
    pool = Following()
    for _ in range(3):
        await pool.report(refused_conditions("Invalid", "spec.template.env: A is given twice"))
    assert len(pool.server.written) == 1
    assert pool.server.events == [("Warning", "Invalid")]
