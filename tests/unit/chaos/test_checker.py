"""Histories that are untrue in one place, each named rightly, and true ones that look odd."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import untruths
from tests.chaos.history import Answer, Asked, Counter, FinalState, History, Job

KEY = "workspaces/ws/jobs/j/1/0.png"
DONE = Job("j", "ws", "m", "succeeded", charged_units=1, outputs={KEY: "sha"})
CANCELED = Job("j", "ws", "m", "canceled")
HELD = FinalState(
    jobs={"j": DONE},
    ledger={"j": 1},
    counters={"ws:2026-11": Counter(reserved=0, charged=1, in_ledger=1)},
    bucket={KEY: "sha"},
    sent={"j/1": 1},
)
NOTHING = FinalState()


def said(asked: Asked, at: float, status: int | None = 200, **more: Any) -> Answer:
    """An answer that came half a second after it was asked for, `at` a time."""
    fields: dict[str, Any] = {"sent": at, "received": at + 0.5, "status": status}
    if asked != "submit" or status == 202:
        fields["job"] = "j"
    if asked == "submit":
        fields["mark"] = "m"
    return Answer(**{"asked": asked, "workspace": "ws", **fields, **more})


ACCEPTED = said("submit", 1, 202)
REFUSED = said("submit", 1, 503, code="capacity_unavailable")
DOUBT = said("submit", 1, 504, code="outcome_unknown", job="j", settled_by=100)


def ended(**changes: Any) -> FinalState:
    """The job's record with these changes, and nothing charged or delivered."""
    nothing: dict[str, Any] = {"status": "failed", "charged_units": 0, "outputs": {}}
    job = replace(DONE, **nothing | changes)
    return FinalState(jobs={"j": job}, sent={"j/1": 1})


def first(answers: list[Answer], state: FinalState) -> tuple[Answer | None, str]:
    found = untruths(answers, state)
    assert found, "no untruth was found"
    return found[0].answer, found[0].why


def test_a_true_history_has_no_untruth() -> None:
    answers = [
        ACCEPTED,
        said("poll", 2, told="queued"),
        said("poll", 3, told="processing"),
        # An attempt was given back.
        said("poll", 4, told="queued"),
        said("poll", 5, 503, code="capacity_unavailable"),
        said("poll", 6, None),
        said("hook", 7, told="succeeded", message="msg_1"),
        # Tried again, since its answer was not heard.
        said("hook", 8, told="succeeded", message="msg_1"),
        said("poll", 9, told="succeeded"),
        said("cancel", 10, 409, code="job_not_cancelable"),
        said("download", 11, digest="sha"),
        said("download", 12, 503),
    ]
    hooked = replace(HELD, jobs={"j": replace(DONE, hooked=True)}, messages={"j": 1})
    assert untruths(answers, hooked) == []


def test_a_poll_that_was_asked_before_the_end_may_be_heard_after_it() -> None:
    slow = said("poll", 2, told="processing", received=9.0)
    assert untruths([ACCEPTED, slow, said("poll", 3, told="succeeded")], HELD) == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(DOUBT, id="504"),
        pytest.param(said("submit", 1, None), id="no answer"),
        pytest.param(replace(DOUBT, keyed=True, job="another"), id="504 with a key"),
    ],
)
@pytest.mark.parametrize("state", [HELD, NOTHING], ids=["there", "not there"])
def test_what_is_told_as_in_doubt_may_be_there_or_not(answer: Answer, state: FinalState) -> None:
    assert untruths([answer], state) == []


def test_a_job_in_doubt_may_not_be_found_until_its_doubt_is_settled() -> None:
    early = said("poll", 50, 404, code="job_not_found")
    assert untruths([DOUBT, early], HELD) == []
    assert untruths([DOUBT, said("poll", 101, 404, code="job_not_found")], NOTHING) == []


def test_with_a_key_a_refused_try_says_nothing_of_the_next() -> None:
    refused = replace(REFUSED, keyed=True)
    accepted = replace(ACCEPTED, keyed=True, sent=3.0, received=3.5)
    again = replace(ACCEPTED, keyed=True, sent=5.0, received=5.5)
    assert untruths([refused, accepted, again], HELD) == []


def test_a_refusal_of_a_record_that_is_there_is_untrue() -> None:
    """What a 503 said that nobody could be asked about: it ran and was charged."""
    answer, why = first([REFUSED], HELD)
    assert answer == REFUSED
    assert why == "nothing was accepted, it says, and j is there (succeeded)"


@pytest.mark.parametrize("status", [500, 402, 429])
def test_so_is_any_other_refusal(status: int) -> None:
    refused = said("submit", 1, status, code="any")
    assert first([refused], HELD)[0] == refused


def test_with_a_key_a_record_is_untrue_of_which_every_try_said_that_there_is_none() -> None:
    last = replace(REFUSED, keyed=True, sent=2.0, received=2.5)
    assert first([replace(REFUSED, keyed=True), last], HELD)[0] == last


def test_a_job_that_was_accepted_and_is_missing_is_lost() -> None:
    assert first([ACCEPTED], NOTHING) == (ACCEPTED, "the job was accepted and is lost")


def test_a_job_of_another_request_is_not_the_one_that_was_accepted() -> None:
    other = replace(ACCEPTED, mark="other")
    assert first([other], HELD) == (other, "the job that was named is another request's")


def test_one_request_is_accepted_once() -> None:
    again = replace(ACCEPTED, keyed=True, job="k", sent=3.0, received=3.5)
    both = replace(HELD, jobs={"j": DONE, "k": replace(CANCELED, id="k")})
    assert first([replace(ACCEPTED, keyed=True), again], both) == (
        again,
        "the same request was accepted as j before",
    )
    silent = said("submit", 1, None, keyed=True)
    assert first([silent], both) == (silent, "one request was accepted as several jobs: j, k")


def test_a_doubt_names_the_job_that_may_be_there() -> None:
    nameless = replace(DOUBT, job="")
    assert first([nameless], NOTHING) == (nameless, "it is not told which job is in doubt")
    other = replace(DOUBT, job="another")
    assert first([other], HELD) == (other, "the job in doubt is j")


def test_after_its_doubt_is_settled_a_job_that_is_there_is_found() -> None:
    late = said("poll", 101, 404, code="job_not_found")
    assert first([DOUBT, late], HELD) == (
        late,
        "the job is not found after its doubt is settled, and is there",
    )


@pytest.mark.parametrize("before", ["submit", "poll"])
def test_a_job_that_was_told_of_is_found(before: Asked) -> None:
    answers = {"submit": ACCEPTED, "poll": said("poll", 1, told="queued")}
    # Of a job whose acceptance nobody heard.
    unheard = said("submit", 0, None)
    gone = said("poll", 3, 404, code="job_not_found")
    assert first([unheard, answers[before], gone], HELD) == (
        gone,
        f"the job is not found that a {before} told of before",
    )


def test_an_end_is_for_good() -> None:
    back = said("poll", 3, told="processing")
    answers = [ACCEPTED, said("poll", 2, told="succeeded"), back]
    assert first(answers, HELD) == (back, "the job went back: it was succeeded before")
    hook = said("hook", 2, told="succeeded", message="msg_1")
    assert first([ACCEPTED, hook, back], HELD)[0] == back


def test_of_two_ends_the_one_is_untrue_that_is_not_the_records() -> None:
    succeeded, failed = said("poll", 2, told="succeeded"), said("poll", 3, told="failed")
    assert first([ACCEPTED, succeeded, failed], ended()) == (succeeded, "the job is failed")
    assert first([ACCEPTED, succeeded, failed], HELD) == (failed, "the job is succeeded")


def test_a_job_that_was_read_is_not_lost() -> None:
    read = said("poll", 2, told="queued")
    assert first([said("submit", 1, None), read], NOTHING) == (read, "the job was read and is lost")


@pytest.mark.parametrize("told", ["canceled", "processing"])
def test_a_cancel_that_was_taken_ends_the_job(told: str) -> None:
    cancel = said("cancel", 2, told=told)
    canceled = FinalState(jobs={"j": CANCELED})
    assert untruths([ACCEPTED, cancel], canceled) == []
    assert first([ACCEPTED, cancel], HELD) == (
        cancel,
        "the job is canceled, it says, and is succeeded",
    )


def test_a_cancel_that_comes_too_late_cancels_nothing() -> None:
    late = said("cancel", 2, 409, code="job_not_cancelable")
    assert first([ACCEPTED, late], FinalState(jobs={"j": CANCELED})) == (
        late,
        "the job cannot be canceled, it says, and is canceled",
    )


def test_a_webhook_tells_the_end_once() -> None:
    hooked = replace(HELD, jobs={"j": replace(DONE, hooked=True)}, messages={"j": 1})
    wrong = said("hook", 2, told="failed", message="msg_1")
    right = said("hook", 3, told="succeeded", message="msg_1")
    # In the wrong order, too, the one that is no end is untrue.
    assert first([ACCEPTED, right, replace(wrong, sent=4.0, received=4.5)], hooked)[1] == (
        "a webhook tells an end that is none: the job is succeeded"
    )
    assert first([ACCEPTED, wrong, right], hooked)[0] == wrong
    twice = replace(right, message="msg_2", sent=5.0, received=5.5)
    assert first([ACCEPTED, right, twice], hooked) == (
        twice,
        "the end was told before, by message msg_1",
    )
    assert first([right], NOTHING) == (right, "a webhook tells of a job that is not there")


def test_a_webhook_is_written_for_each_end_that_is_to_be_told() -> None:
    unwritten = replace(HELD, jobs={"j": replace(DONE, hooked=True)})
    assert first([ACCEPTED], unwritten) == (None, "j (succeeded) has 0 webhooks")


@pytest.mark.parametrize("status", [403, 404])
def test_a_link_gives_what_was_delivered(status: int) -> None:
    nothing = said("download", 3, status)
    assert first([ACCEPTED, nothing], HELD) == (nothing, "the link gives nothing")
    other = said("download", 3, digest="other")
    assert first([ACCEPTED, other], HELD) == (
        other,
        "the link gives other bytes than were delivered",
    )


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (replace(HELD, bucket={}), f"{KEY} was charged and is not there"),
        (replace(HELD, bucket={KEY: "x"}), f"{KEY} holds other bytes than were charged"),
        (replace(HELD, ledger={"j": 2}), "j (succeeded): 2 rows and 1 units for 1 outputs of 1"),
        (
            replace(HELD, ledger={"j": 1, "k": 1}),
            "the ledger charges k, which nobody knows",
        ),
        (
            replace(HELD, jobs={"j": replace(DONE, status="failed")}),
            "j (failed): 1 rows and 1 units for 1 outputs of 0",
        ),
        (
            replace(HELD, counters={"c": Counter(reserved=2, charged=1, in_ledger=1)}),
            "c still holds 2",
        ),
        (
            replace(HELD, counters={"c": Counter(reserved=0, charged=1, in_ledger=2)}),
            "c has charged 1, the ledger 2",
        ),
        (replace(HELD, sent={"j/1": 2}), "attempt j/1 was sent 2 times"),
        (replace(HELD, sent={}), "attempt j/1 was settled and never sent"),
        (replace(HELD, resources=["r"]), "1 resources are left: r"),
        (
            replace(HELD, jobs={"j": replace(DONE, attempt=2)}, sent={"j/2": 1}),
            f"{KEY} is not of the attempt that was settled",
        ),
        (ended(status="processing"), "j hangs: processing"),
    ],
)
def test_what_only_the_stores_show_is_named_too(state: FinalState, why: str) -> None:
    assert [str(found) for found in untruths([ACCEPTED], state)] == [f"in the end: {why}"]


def test_a_record_that_nobody_asked_for_is_named() -> None:
    assert first([], HELD) == (None, "j is of no request: m")


def test_of_two_untruths_the_first_that_was_heard_comes_first() -> None:
    lost = said("submit", 5, 202, job="k", mark="n")
    found = untruths([lost, ACCEPTED, said("poll", 2, told="failed")], replace(HELD, bucket={}))
    assert [untruth.at for untruth in found] == [2.5, 5.5, float("inf")]


def test_an_untruth_says_what_was_asked_and_answered() -> None:
    (found,) = untruths([REFUSED], HELD)
    assert str(found) == (
        "submit of m at 1.000 (503 capacity_unavailable): "
        "nothing was accepted, it says, and j is there (succeeded)"
    )


def test_a_history_is_kept_by_time_and_read_again(tmp_path: Path) -> None:
    history = History([REFUSED, replace(ACCEPTED, sent=0.0, received=0.1)])
    history.add(DOUBT)
    history.write(tmp_path / "history.jsonl")
    read = History.read(tmp_path / "history.jsonl").answers()
    assert read == history.answers()
    assert [answer.status for answer in read] == [202, 503, 504]
