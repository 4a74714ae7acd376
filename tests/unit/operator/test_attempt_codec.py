"""What is sent to a model server, and what its answers mean."""

from __future__ import annotations

from datetime import timedelta

import pytest
from imagerift_core.jobs import (
    MAX_ATTEMPTS,
    Analysis,
    AppliedWords,
    IgnoredWords,
    People,
    PromptRead,
    Status,
)
from imagerift_core.model_documents import ModelProblem
from imagerift_operator.attempt_codec import (
    NextAttempt,
    Signer,
    attempt_error,
    build_request,
    job_error,
    next_attempt,
    read_answer,
    settlement_of,
    without_urls,
)

from tests.unit.operator.builders import START, make_record

SIGNER = Signer(get=lambda key: f"get:{key}", put=lambda key, kind: f"put:{kind}:{key}")
OUTPUT = {
    "index": 0,
    "seed": 7,
    "width": 10,
    "height": 8,
    "contentType": "image/png",
    "sizeBytes": 5,
    "sha256": "a" * 64,
}


def test_a_request_names_the_attempt_and_signs_its_own_prefix_only() -> None:
    request = build_request(make_record(attempt=3), 119.5, SIGNER)
    assert request["attemptId"] == "job-1/3"
    assert request["secondsLeft"] == 119.5
    assert request["source"] == {"url": "get:workspaces/ws_a/jobs/job-1/source"}
    assert [target["url"] for target in request["targets"]] == [
        "put:image/png:workspaces/ws_a/jobs/job-1/3/output-0.png",
        "put:image/png:workspaces/ws_a/jobs/job-1/3/output-1.png",
    ]
    assert [target["thumbnailUrl"] for target in request["targets"]] == [
        "put:image/webp:workspaces/ws_a/jobs/job-1/3/thumbnail-0.webp",
        "put:image/webp:workspaces/ws_a/jobs/job-1/3/thumbnail-1.webp",
    ]


def test_a_request_names_the_gate_that_must_judge_it_where_there_is_one() -> None:
    assert build_request(make_record(), 60, SIGNER, "gate")["gate"] == "gate"
    assert "gate" not in build_request(make_record(), 60, SIGNER)


def test_delivered_outputs_succeed_and_keep_their_indices() -> None:
    answer = read_answer(
        {"outputs": [OUTPUT | {"index": 1}], "omitted": [{"index": 0, "code": "model_error"}]}
    )
    ended = settlement_of(make_record(), "me", answer)
    assert ended.status is Status.SUCCEEDED
    assert [output.index for output in ended.outputs] == [1]
    assert ended.outputs[0].key == "workspaces/ws_a/jobs/job-1/1/output-1.png"
    assert ended.error is None


@pytest.mark.parametrize("made", [True, False])
def test_a_thumbnail_is_recorded_where_the_model_put_one(made: bool) -> None:
    answer = read_answer({"outputs": [OUTPUT | {"thumbnail": made}]})
    [output] = settlement_of(make_record(), "me", answer).outputs
    key = "workspaces/ws_a/jobs/job-1/1/thumbnail-0.webp"
    assert output.thumbnail_key == (key if made else None)
    assert output.keys == ["workspaces/ws_a/jobs/job-1/1/output-0.png", *([key] if made else [])]


def test_outputs_that_were_not_asked_for_are_left_out() -> None:
    answer = read_answer({"outputs": [OUTPUT | {"index": 5}]})
    ended = settlement_of(make_record(), "me", answer)
    assert ended.status is Status.FAILED
    assert ended.error is not None and ended.error.code == "model_error"


def test_the_same_index_twice_is_delivered_once() -> None:
    ended = settlement_of(make_record(), "me", read_answer({"outputs": [OUTPUT, OUTPUT]}))
    assert len(ended.outputs) == 1


@pytest.mark.parametrize(
    "answer", [{"outputs": [{"index": 0}]}, {"outputs": "no"}, {"error": {"code": 1}}]
)
def test_an_answer_that_breaks_the_contract_is_a_model_error(answer: dict[str, object]) -> None:
    read = read_answer(answer)
    assert read.error is not None and read.error.code == "model_error"
    assert not read.error.retryable


TOLD: dict[str, object] = {
    "presetReason": "look",
    "presetWords": "neon light",
    "refusedPresets": ["oil"],
    "framing": "bordered",
    "people": {"found": 3, "shown": 2, "box": [0, 0.25, 1, 0.5]},
    "promptRead": {
        "preset": "neon",
        "why": "look",
        "applied": [{"part": "floor", "value": "wood", "words": "wooden table"}],
        "ignored": [{"words": "add a bow", "reason": "unknown"}],
    },
}


def test_what_a_model_says_of_its_choices_is_kept() -> None:
    ended = settlement_of(
        make_record(), "me", read_answer({"outputs": [OUTPUT], "analysis": TOLD | {"own": "x"}})
    )
    assert ended.analysis == Analysis(
        preset_reason="look",
        preset_words="neon light",
        refused_presets=["oil"],
        framing="bordered",
        people=People(found=3, shown=2, box=(0, 0.25, 1, 0.5)),
        prompt_read=PromptRead(
            preset="neon",
            why="look",
            applied=[AppliedWords(part="floor", value="wood", words="wooden table")],
            ignored=[IgnoredWords(words="add a bow", reason="unknown")],
        ),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"presetReason": "because"},
        {"presetWords": "w" * 61},
        {"presetWords": "\ud800"},
        {"refusedPresets": ["neon"] * 17},
        {"refusedPresets": ["n" * 65]},
        {"framing": 5},
        {"people": {"found": -1, "shown": 0}},
        {"people": {"found": 10**9, "shown": 0}},
        {"people": {"found": 1, "shown": 1, "box": [0, 0, 1]}},
        {"people": {"found": 1, "shown": 1, "box": [0, 0, 1, 2]}},
        {"people": {"found": 1, "shown": 1, "box": [0, 0, 1, float("nan")]}},
        {"people": "many"},
        {"promptRead": {"preset": "neon", "why": "because"}},
        {"promptRead": {"preset": "neon", "why": "look", "applied": [{"part": "sky"}]}},
        {"promptRead": {"preset": "neon", "why": "look", "ignored": [{"words": "w" * 61}]}},
    ],
)
def test_a_broken_word_about_a_picture_loses_the_word_alone(change: dict[str, object]) -> None:
    answer = read_answer({"outputs": [OUTPUT], "analysis": TOLD | change})
    assert answer.analysis is None
    assert answer.error is None
    assert len(answer.outputs) == 1
    assert read_answer({"outputs": [OUTPUT]}).analysis is None
    assert read_answer({"outputs": [OUTPUT], "analysis": "fine"}).analysis is None


def test_a_code_that_is_not_ours_becomes_model_error() -> None:
    error = job_error(ModelProblem(code="segfault", message="secret inside", retryable=True))
    assert error.code == "model_error"
    assert "secret" not in error.message
    assert error.retryable


def test_an_attempts_own_time_limit_is_worth_another_try_the_jobs_is_not() -> None:
    record = make_record(deadline_at=START + timedelta(minutes=5))
    problem = ModelProblem(code="timeout", message="Too slow.")
    assert attempt_error(record, problem, at=START).retryable
    assert not attempt_error(record, problem, at=START + timedelta(minutes=5)).retryable


@pytest.mark.parametrize("code", ["not_sent", "canceled"])
def test_an_attempt_that_never_began_goes_back_at_once_and_counts_for_nothing(code: str) -> None:
    again = next_attempt(make_record(failures=3), ModelProblem(code=code, message="-"), at=START)
    assert again == NextAttempt(failed=False, not_before=None)


def test_while_the_bucket_is_away_a_job_waits_longer_each_time_until_the_cap() -> None:
    problem = ModelProblem(code="input_unavailable", message="-", retryable=True)
    pauses = []
    for attempt in range(1, MAX_ATTEMPTS):
        again = next_attempt(make_record(attempt=attempt, failures=3), problem, at=START)
        assert again is not None and not again.failed and again.not_before is not None
        pauses.append((again.not_before - START).total_seconds())
    assert pauses == sorted(pauses) and sum(pauses) > 180
    assert next_attempt(make_record(attempt=MAX_ATTEMPTS), problem, at=START) is None


def test_a_source_that_is_gone_is_not_waited_for() -> None:
    problem = ModelProblem(code="input_unavailable", message="-", retryable=False)
    assert next_attempt(make_record(), problem, at=START) is None


def test_a_failure_of_its_own_counts_against_the_backoff_limit() -> None:
    problem = ModelProblem(code="model_error", message="-", retryable=True)
    again = next_attempt(make_record(failures=0), problem, at=START)
    assert again == NextAttempt(failed=True, not_before=START + timedelta(seconds=1))
    assert next_attempt(make_record(failures=2, backoff_limit=3), problem, at=START) is None


def test_urls_never_reach_a_log() -> None:
    text = without_urls("failed at https://s3.local/bucket/key?X-Amz-Signature=abc after 3 s")
    assert text == "failed at [url] after 3 s"
