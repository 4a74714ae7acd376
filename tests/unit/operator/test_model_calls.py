"""What an attempt is told of its time, and what becomes of a call that is given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from imagerift_core.clock import now
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.jobs import JobRecord
from imagerift_core.modes import load_modes
from imagerift_core.triton import TritonUnavailable
from imagerift_operator.attempt_codec import NOT_SENT
from imagerift_operator.context import _model_calls
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.model_calls import URL_GRACE_SECONDS, ModelCalls
from imagerift_operator.pools import CONTROL_MODEL, Replica
from imagerift_operator.slots import Slots

from tests.unit.operator.builders import make_record


class Server:
    """A replica's server and the bucket, which keep what they are asked."""

    def __init__(self, failure: TritonUnavailable | None = None) -> None:
        self.failure = failure
        self.request: dict[str, Any] = {}
        self.timeout = 0.0
        self.canceled: list[str] = []
        self.url_seconds: set[int] = set()

    async def call(
        self, _: str, request: dict[str, Any], *, timeout_seconds: float
    ) -> dict[str, Any]:
        self.request, self.timeout = request, timeout_seconds
        if self.failure is not None:
            raise self.failure
        return {}

    async def cancel(self, attempt_id: str) -> None:
        self.canceled.append(attempt_id)

    def presign_get(self, key: str, *, seconds: int) -> str:
        self.url_seconds.add(seconds)
        return key

    def presign_put(self, key: str, *, content_type: str, seconds: int) -> str:
        del content_type
        return self.presign_get(key, seconds=seconds)

    def ran(self, seconds: float, pool: str) -> None:
        """Stands in for the metrics."""


async def run(server: Server, record: JobRecord, slots: int = 1) -> str:
    """The code that one call ends with."""
    stand_in = cast(Any, server)
    calls = ModelCalls(
        stand_in,
        load_modes(),
        MagicMock(),
        stand_in,
        CrashPoints(None),
        running_status_after=60,
        answer_grace=15,
    )
    calls.gate = "gate"
    replica = Replica(stand_in, cast(Any, None), Slots(slots), [CONTROL_MODEL])
    answer = await calls.run(cast(JobEntry, None), record, replica)
    assert replica.ready is (server.failure is None)
    return answer.error.code if answer.error else ""


@pytest.mark.parametrize(
    ("attempt", "job", "told"), [(90, 600, 90), (90, 30, 30), (90, None, 90), (-5, 600, 1)]
)
async def test_an_attempt_is_told_the_seconds_until_the_first_deadline(
    attempt: int, job: int | None, told: int
) -> None:
    at, server = now(), Server()
    await run(
        server,
        make_record(
            attempt_deadline_at=at + timedelta(seconds=attempt),
            deadline_at=None if job is None else at + timedelta(seconds=job),
        ),
    )
    assert told - 5 < server.request["secondsLeft"] <= told
    assert server.timeout == server.request["secondsLeft"] + 15
    (seconds,) = server.url_seconds
    assert seconds == int(server.request["secondsLeft"]) + URL_GRACE_SECONDS
    assert server.request["gate"] == "gate"


def test_the_gate_that_all_must_pass_is_the_settings() -> None:
    given = MagicMock()
    given.settings.moderation_model = "gate"
    assert _model_calls(given, MagicMock()).gate == "gate"


@pytest.mark.parametrize(
    ("slots", "job", "spare"), [(1, None, 0), (4, None, 90), (4, 600, 90), (4, 50, 20), (4, 20, 0)]
)
async def test_an_attempt_may_wait_for_as_many_others_as_there_are_slots(
    slots: int, job: int | None, spare: int
) -> None:
    at, server = now(), Server()
    record = make_record(
        attempt_deadline_at=at + timedelta(seconds=30),
        deadline_at=None if job is None else at + timedelta(seconds=job),
    )
    await run(server, record, slots)
    told = server.request
    assert told["waitSeconds"] == pytest.approx(spare, abs=5)
    assert server.timeout == told["secondsLeft"] + told["waitSeconds"] + 15
    (seconds,) = server.url_seconds
    assert seconds == int(told["secondsLeft"] + told["waitSeconds"]) + URL_GRACE_SECONDS


@pytest.mark.parametrize(
    ("sent", "code", "canceled"), [(True, "model_error", ["job-1/3"]), (False, NOT_SENT, [])]
)
async def test_a_call_that_is_given_up_is_flagged_where_it_may_still_wait(
    sent: bool, code: str, canceled: list[str]
) -> None:
    server = Server(TritonUnavailable("TimeoutError", sent=sent))
    record = make_record(attempt=3, attempt_deadline_at=now() + timedelta(seconds=60))
    assert await run(server, record) == code
    assert server.canceled == canceled
