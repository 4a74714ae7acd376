"""What a customer of the chaos suite writes down, of an API that answers as it is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.customers import Customer
from tests.chaos.history import Answer, History
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest

Respond = Callable[[httpx.Request], httpx.Response]
REFUSED = httpx.Response(503, json={"code": "capacity_unavailable"})
DOUBT = httpx.Response(
    504,
    json={"code": "outcome_unknown", "jobId": "j", "settledBy": "2026-11-28T12:00:00Z"},
)
ACCEPTED = httpx.Response(202, json={"jobId": "j", "status": "queued"})


def customer(respond: Respond, *, seed: int = 1, jobs: int = 1) -> Customer:
    http = httpx.Client(transport=httpx.MockTransport(respond))
    tenant = Tenant(PlatformUnderTest(Path(), {}), http, "ws", "key", "token")
    urls = ["http://a", "http://b"]
    return Customer(tenant, urls, seed, jobs, "photo", "http://hook", History(), longest_pause=0.0)


def in_turn(responses: Sequence[httpx.Response | Exception]) -> tuple[Respond, list[Any]]:
    """Answers submits with these and the last one again, polls with `queued`; what was sent."""
    left = list(responses)
    sent: list[Any] = []

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/api/v1/generate":
            return httpx.Response(200, json={"jobId": "j", "status": "queued"})
        sent.append((dict(request.headers), json.loads(request.content)))
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return respond, sent


def submitted(one: Customer, *, keyed: bool) -> list[Answer]:
    """Every answer to one submit."""
    one._submit({"mode": "noop"}, "mark", keyed=keyed)
    return one.history.answers()


def test_with_a_key_a_submit_is_sent_again_under_the_same_mark() -> None:
    respond, sent = in_turn([REFUSED, httpx.ConnectError("cut"), DOUBT, ACCEPTED])
    one = customer(respond)
    answers = submitted(one, keyed=True)
    assert [answer.status for answer in answers] == [503, None, 504, 202]
    assert {answer.mark for answer in answers} == {"mark"}
    assert {headers["idempotency-key"] for headers, _ in sent} == {"mark"}
    assert {body["metadata"]["mark"] for _, body in sent} == {"mark"}
    assert (one.accepted, one.doubted, one.unanswered) == ({"j"}, {}, 1)


def test_without_a_key_each_request_has_a_mark_of_its_own() -> None:
    respond, sent = in_turn([REFUSED, ACCEPTED])
    answers = submitted(customer(respond), keyed=False)
    assert [answer.mark for answer in answers] == ["mark-0", "mark-1"]
    assert [body["metadata"]["mark"] for _, body in sent] == ["mark-0", "mark-1"]
    assert "idempotency-key" not in sent[0][0]


def test_without_a_key_nothing_is_sent_again_that_may_be_there() -> None:
    respond, sent = in_turn([DOUBT])
    one = customer(respond)
    (answer,) = submitted(one, keyed=False)
    assert (answer.job, answer.code, answer.settled_by) == ("j", "outcome_unknown", 1795867200.0)
    assert one.doubted == {"j": 1795867200.0}
    assert len(sent) == 1
    respond, sent = in_turn([httpx.ReadTimeout("late")])
    submitted(customer(respond), keyed=False)
    assert len(sent) == 1


def test_an_answer_that_is_no_json_is_written_down_all_the_same() -> None:
    respond, _ = in_turn([httpx.Response(502, text="<html>"), ACCEPTED])
    answers = submitted(customer(respond), keyed=True)
    assert [(answer.status, answer.code) for answer in answers] == [(502, ""), (202, "")]


def test_what_succeeded_is_downloaded_once_and_its_digest_kept() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.host == "s3":
            return httpx.Response(200, content=b"picture")
        outputs = [{"downloadUrl": "http://s3/0.png"}, {"downloadUrl": None}]
        done = {"jobId": "j", "status": "succeeded", "outputs": outputs}
        return httpx.Response(200, json=done)

    one = customer(respond)
    one.accepted.add("j")
    assert one.poll_all()
    assert one.poll_all()
    polled, first, second = one.history.answers()
    assert (polled.asked, polled.told) == ("poll", "succeeded")
    assert (first.asked, first.digest) == ("download", hashlib.sha256(b"picture").hexdigest())
    # A link that is not given is one that gives nothing.
    assert (second.asked, second.status) == ("download", 404)


def test_a_doubt_is_over_when_it_is_settled_and_there_is_no_job() -> None:
    one = customer(lambda _: httpx.Response(404, json={"code": "job_not_found"}))
    one.doubted["j"] = 4e9
    assert not one.poll_all()
    one.doubted["j"] = 1.0
    assert one.poll_all()


def test_a_customer_that_breaks_says_so() -> None:
    one = customer(lambda _: httpx.Response(202, json={}), jobs=1)
    one.tenant.http.close()
    one._run()
    assert "closed" in one.gave_up


def test_the_same_seed_asks_for_the_same_jobs() -> None:
    def bodies(seed: int) -> list[Any]:
        respond, sent = in_turn([ACCEPTED])
        customer(respond, seed=seed, jobs=20)._run()
        return [body for _, body in sent]

    assert bodies(7) == bodies(7)
    assert bodies(7) != bodies(8)
