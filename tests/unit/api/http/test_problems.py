from __future__ import annotations

from datetime import UTC, datetime

import pytest
from imagerift_api.auth.keys import MissingApiKey
from imagerift_api.http import problems
from imagerift_api.pages import problem_advice
from imagerift_core import errors
from imagerift_core.errors import DomainError, InvalidApiKey, QuotaExhausted, RateLimited

STATUSES = {
    errors.InvalidRequest: 400,
    errors.InvalidApiKey: 401,
    errors.RevokedApiKey: 401,
    errors.ExpiredApiKey: 401,
    errors.ApiAccessLocked: 403,
    errors.ExportNotPermitted: 403,
    errors.JobNotFound: 404,
    errors.SourceNotFound: 404,
    errors.JobNotCancelable: 409,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedImage: 415,
    errors.ImageUnreadable: 422,
    errors.ImageTooLarge: 422,
    errors.CapacityUnavailable: 503,
}


@pytest.mark.parametrize("kind", STATUSES)
def test_every_domain_error_has_its_status(kind: type[DomainError]) -> None:
    problem = problems.problem_of(kind("why", param="seed"))

    assert problem.status == STATUSES[kind]
    assert problem.code == kind.code
    assert problem.errors == [{"param": "seed", "message": "why"}]


def test_a_problem_has_the_members_of_the_rfc_and_ours() -> None:
    body = problems.problem_of(errors.JobNotFound("none")).body(
        instance="/x", request_id="req_1", origin="https://images.example.com"
    )

    assert body == {
        "type": "https://images.example.com/problems/job_not_found",
        "title": "There is no such job",
        "status": 404,
        "detail": "none",
        "instance": "/x",
        "code": "job_not_found",
        "param": None,
        "errors": [],
        "requestId": "req_1",
        "retryable": False,
    }


def test_every_code_says_what_to_do() -> None:
    assert set(problem_advice.ADVICE) == set(problems.KINDS)
    assert all(len(text) > 20 for text in problem_advice.ADVICE.values())


def test_exhaustion_says_the_numbers_and_when_it_ends() -> None:
    error = QuotaExhausted(
        units=2, limit=10, charged=7, reserved=2, resets_at=datetime(2026, 12, 1, tzinfo=UTC)
    )

    assert problems.problem_of(error).members == {
        "units": 2,
        "limit": 10,
        "charged": 7,
        "reserved": 2,
        "resetsAt": "2026-12-01T00:00:00.000Z",
    }


def test_a_rate_refusal_says_how_long() -> None:
    problem = problems.problem_of(RateLimited(limit=30, retry_after_seconds=17))

    assert (problem.status, problem.headers["Retry-After"]) == (429, "17")
    assert problem.retryable


def test_challenges_follow_rfc_6750() -> None:
    missing = problems.problem_of(MissingApiKey("none"))
    wrong = problems.problem_of(InvalidApiKey("wrong"))
    narrow = problems.problem_of(errors.InsufficientScope("jobs:write"))

    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="imagerift"'
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in narrow.headers["WWW-Authenticate"]
    assert narrow.status == 403
