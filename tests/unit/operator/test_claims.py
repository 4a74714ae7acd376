"""Claims that come together share a round trip, and no other's trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord
from imagerift_core.modes import load_modes
from imagerift_core.mongo.claims import Claim
from imagerift_operator.claims import Claims

from tests.unit.operator.builders import make_entry, make_record

JOBS = ["a", "b", "c", "d", "e"]


class Store:
    """Claims all jobs of a group, or none where it breaks at one."""

    def __init__(self, bad: str, error: Exception) -> None:
        self.bad, self.error = bad, error
        self.groups: list[int] = []
        leadership = cast(Any, SimpleNamespace(identity="operator-1"))
        self.claims = Claims(
            cast(Any, self),
            load_modes(),
            leadership,
            MagicMock(),
            MagicMock(),
            pod_start_seconds=0,
        )

    async def claim_all(self, claims: Sequence[Claim]) -> list[JobRecord | None]:
        self.groups.append(len(claims))
        if self.bad in {claim.job_id for claim in claims}:
            raise self.error
        return [make_record(claim.job_id) for claim in claims]

    async def claim(self) -> list[Any]:
        return await asyncio.gather(
            *(self.claims.claim(make_entry(job_id), "default") for job_id in JOBS),
            return_exceptions=True,
        )


@pytest.mark.parametrize("bad", JOBS)
async def test_a_claim_that_breaks_breaks_no_other_of_its_group(bad: str) -> None:
    store = Store(bad, ValueError("cannot be read"))
    outcomes = await store.claim()
    assert store.groups[0] == len(JOBS)
    for job_id, outcome in zip(JOBS, outcomes, strict=True):
        if job_id == bad:
            assert isinstance(outcome, ValueError)
        else:
            assert outcome.id == job_id


async def test_while_the_store_is_away_a_group_is_not_taken_apart() -> None:
    store = Store("a", CapacityUnavailable("The job store does not answer."))
    assert {type(outcome) for outcome in await store.claim()} == {CapacityUnavailable}
    assert store.groups == [len(JOBS)]
