"""Of every loop and sweep: whichever member fails, and however, all the others are served.

A loop that is added to the operator needs its case here.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from imagerift_core.errors import CapacityUnavailable, ObjectsRefused
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable
from imagerift_core.object_keys import job_prefix, source_key
from imagerift_operator import events, job_pod_server
from imagerift_operator.sweeps import storage

from tests.support.members import MEMBERS, Members
from tests.unit.operator import loop_cases, sweep_cases
from tests.unit.operator.builders import isolation, make_record
from tests.unit.operator.member_cases import Case, calls, returning
from tests.unit.operator.started_operator import names_of_an_operator

REFUSED = KubeRefused(status=403, reason="Forbidden")
# The loops that have no members, and what would be the one member of each.
WHOLE = {
    "ChargeAudit.look": "one transaction of reads",
    "QueuePublisher.publish": "one snapshot",
    "catalogue": "one read of all that was added",
    "end_abandoned_transactions": "one command to MongoDB",
    "leadership": "one Lease: test_leadership.py",
    "presence": "one row of the process's own",
}


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_pod_server, "SWEEP_SECONDS", -1)
    monkeypatch.setattr(events, "PAUSE_SECONDS", 0)


async def test_every_loop_of_the_operator_has_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {*sweep_cases.CASES.by_loop, *loop_cases.CASES.by_loop}
    assert cases | set(WHOLE) == await names_of_an_operator(monkeypatch)


ERRORS = {
    "refused": REFUSED,
    "broken": ValueError("broken"),
    "kubernetes-500": KubeUnavailable("answered 500"),
    "store-away": CapacityUnavailable("The store does not answer."),
}


@pytest.mark.parametrize("bad", MEMBERS)
@pytest.mark.parametrize(
    ("act", "error"),
    [
        pytest.param(act, error, id=f"{act.__name__}-{name}")
        for cases in (sweep_cases.CASES, loop_cases.CASES)
        for acts in cases.by_loop.values()
        for act in acts
        for name, error in ERRORS.items()
        if act not in cases.grouped or name in {"refused", "broken"}
    ],
)
async def test_the_others_are_served_whichever_fails(act: Case, bad: str, error: Exception) -> None:
    members = Members(bad, error)
    await act(members)
    assert members.served == set(MEMBERS) - {bad}
    assert not members.died


async def test_bytes_that_the_store_refuses_to_delete_keep_none_of_the_others() -> None:
    held = source_key("ws_a", MEMBERS[0])
    asked: list[set[str]] = []

    async def delete(keys: Collection[str]) -> None:
        asked.append({key.split("/")[3] for key in keys})
        if held in keys:
            raise ObjectsRefused({held: "AccessDenied: legal hold"})

    isolated = isolation()
    for _ in range(2):
        await storage.delete_orphaned_bytes(
            isolated,
            cast(Any, calls(get_many=returning({}), settle_doubt=AsyncMock())),
            cast(Any, calls()),
            cast(Any, calls(list_objects=sweep_cases.orphans(), delete=delete)),
            grace=timedelta(0),
        )
    assert asked == [set(MEMBERS), set(MEMBERS[1:])]


async def test_bytes_of_an_expired_job_go_although_its_resource_may_not() -> None:
    done: list[str] = []

    async def delete(prefix: str) -> None:
        done.append(prefix)

    jobs = calls(expired=returning([make_record("a", resource_uid="u")]), forget=AsyncMock())
    kube = calls(delete_job=AsyncMock(side_effect=REFUSED))
    isolated = isolation()
    await storage.delete_expired_jobs(
        isolated, jobs, calls(delete_prefix=delete), kube, namespace="imagerift"
    )
    assert done == [job_prefix("ws_a", "a")]
    jobs.forget.assert_not_awaited()
    assert isolated.set_aside == 1
