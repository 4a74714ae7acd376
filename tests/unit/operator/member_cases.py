"""What cases of loops and sweeps are made of: each serves members, one of which fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

from imagerift_core.clock import now, rfc3339
from imagerift_operator.in_flight import InFlight
from imagerift_operator.job_index import JobIndex
from imagerift_operator.memory import Memory
from imagerift_operator.scheduler import Scheduler

from tests.support.members import MEMBERS, Members
from tests.unit.operator.builders import make_record
from tests.unit.operator.test_job_index import resource

LEADS: Any = SimpleNamespace(leading=True, identity="operator-1")
NOTHING: Any = None

Case = Callable[[Members], Awaitable[None]]


class Cases:
    """The cases of loops, by the loops' names."""

    def __init__(self) -> None:
        self.by_loop: dict[str, list[Case]] = {}
        # Of one command for all members: a store that does not answer to it answers nobody.
        self.grouped: set[Case] = set()

    def of(self, loop: str, *, grouped: bool = False) -> Callable[[Case], Case]:
        """Keeps the function as a case of this loop."""

        def keep(function: Case) -> Case:
            self.by_loop.setdefault(loop, []).append(function)
            if grouped:
                self.grouped.add(function)
            return function

        return keep


def calls(**functions: Any) -> Any:
    return SimpleNamespace(**functions)


def returning(value: Any) -> Any:
    return AsyncMock(return_value=value)


async def each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def rows(**fields: Any) -> list[Any]:
    return [make_record(member, **fields) for member in MEMBERS]


def memory_of(*bodies: dict[str, Any]) -> Memory:
    memory = Memory(JobIndex(), Scheduler(), InFlight())
    for body in bodies:
        memory.index.observe(body)
    return memory


def bodies(**more: Any) -> list[dict[str, Any]]:
    return [resource(member, f"uid-{member}") | more for member in MEMBERS]


def ended() -> dict[str, Any]:
    return {"phase": "Succeeded", "finishedAt": rfc3339(now() - timedelta(hours=1))}


def group_reader(members: Members) -> Any:
    """Reads all records or, where one of them is bad, none."""

    async def get_many(job_ids: list[str]) -> dict[str, Any]:
        members.check(job_ids)
        return {job_id: make_record(job_id) for job_id in job_ids}

    return get_many


def record_of(member: str) -> Any:
    return make_record(member, resource_uid=f"uid-{member}")
