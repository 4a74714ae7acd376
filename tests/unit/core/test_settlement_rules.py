"""How an attempt ended, from plain values."""

from __future__ import annotations

import pytest
from imagerift_core.jobs import MAX_ATTEMPTS, JobError, Status
from imagerift_core.settlement_rules import backoff_seconds, may_retry

from tests.support.job_records import broken, delivered, make_record


def test_one_delivered_output_is_a_success() -> None:
    record = make_record(units=4)
    assert delivered(record, outputs=1).status is Status.SUCCEEDED
    assert broken(record).status is Status.FAILED


@pytest.mark.parametrize(
    ("retryable", "failures", "attempt", "expected"),
    [
        (True, 0, 1, True),
        (True, 2, 3, True),
        (True, 3, 4, False),
        (False, 0, 1, False),
        (True, 0, MAX_ATTEMPTS - 1, True),
        (True, 0, MAX_ATTEMPTS, False),
    ],
)
def test_a_retry_needs_a_passing_fault_and_room_in_both_limits(
    retryable: bool, failures: int, attempt: int, expected: bool
) -> None:
    record = make_record(failures=failures, attempt=attempt, backoff_limit=3)
    error = JobError(code="model_error", message="the model failed", retryable=retryable)
    assert may_retry(record, error) is expected


def test_without_a_backoff_limit_nothing_is_retried() -> None:
    error = JobError(code="timeout", message="too slow", retryable=True)
    assert not may_retry(make_record(attempt=1, backoff_limit=0), error)


def test_the_pause_doubles_up_to_a_minute() -> None:
    pauses = [backoff_seconds(failures) for failures in range(10)]
    assert pauses == [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_terminal_means_ended() -> None:
    assert {status for status in Status if status.terminal} == {
        Status.SUCCEEDED,
        Status.FAILED,
        Status.CANCELED,
    }
