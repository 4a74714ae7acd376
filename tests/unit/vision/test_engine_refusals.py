"""What an engine's refusal is to a job: never its prompt, its credential or an address."""

import email.utils
import json
import time
from typing import Any

import pytest
from imagerift_vision.engines.refusals import cleaned, refusal, retry_after

PRIVATE = ("a red mug, in oil", "SECRETTOKEN-0123456789")


def refused(status: int, document: Any = None) -> tuple[str, str, bool]:
    body = b"<html>" if document is None else json.dumps(document).encode()
    error = refusal(status, body, PRIVATE)
    return error.code, error.message, error.retryable


@pytest.mark.parametrize(
    ("status", "document", "code", "said", "retryable"),
    [
        (302, None, "model_error", "redirect: not followed", False),
        (400, {"detail": "Invalid size"}, "invalid_request", "(400: Invalid size)", False),
        (
            422,
            {"detail": [{"loc": ["body", "n"], "msg": "too many", "input": "SECRETINPUT"}]},
            "invalid_request",
            "(422: body.n: too many)",
            False,
        ),
        (413, None, "invalid_request", "(413)", False),
        (401, {"error": "Unauthorized"}, "model_error", "the pool's credential (401)", False),
        (403, None, "model_error", "the pool's credential (403)", False),
        (404, {"error": {"message": "no model x"}}, "model_error", "(404: no model x)", False),
        (409, {"error": "prompt_id already exists"}, "model_error", "(409: prompt_id", False),
        (429, {"error": {"message": "slow down"}}, "model_error", "answered 429", True),
        (503, None, "model_error", "answered 503", True),
        (500, {"detail": "boom"}, "model_error", "answered 500", True),
        (
            500,
            {"error": {"message": "CUDA out of memory. Tried to allocate 2 GiB"}},
            "out_of_memory",
            "out of memory",
            True,
        ),
        (
            400,
            {"error": {"message": "Your request was rejected", "code": "moderation_blocked"}},
            "content_filtered",
            "own filter",
            False,
        ),
        (
            400,
            {
                "error": {"type": "x", "message": "failed validation", "details": ""},
                "node_errors": {
                    "3": {"errors": [{"message": "Value too big", "details": "steps"}]}
                },
            },
            "invalid_request",
            "failed validation; Value too big: steps",
            False,
        ),
    ],
)
def test_a_status_is_a_code_and_whether_to_try_again(
    status: int, document: Any, code: str, said: str, retryable: bool
) -> None:
    told = refused(status, document)
    assert (told[0], told[2]) == (code, retryable)
    assert said in told[1]
    assert "SECRET" not in told[1]


@pytest.mark.parametrize("body", [b"[]", b'"words"', b"\xff", b"[" * 100_000, b"", b'{"error": 5}'])
def test_a_body_that_is_no_error_s_says_nothing(body: bytes) -> None:
    assert refusal(400, body, PRIVATE).message == "the engine refuses the request (400)"


@pytest.mark.parametrize(
    "words",
    [
        "bad prompt: 'A Red Mug, in oil'",
        "cannot draw a red mug",
        "what is in oil?",
        "key SECRETTOKEN-0123456789 is wrong",
        "A\nRED\tmug",
    ],
)
def test_words_that_repeat_what_is_private_are_left_out(words: str) -> None:
    assert cleaned(words, PRIVATE) == ""


def test_words_of_others_stay_without_addresses_paths_and_control_characters() -> None:
    words = "see https://engine.local/x?sig=1 or /opt/engine/app.py\x1b[31m: size is\u202e wrong"
    assert cleaned(words, PRIVATE) == "see … or … [31m: size is wrong"
    assert "A" * 40 not in cleaned("data " + "A" * 4000, PRIVATE)
    assert len(cleaned("word " * 200, PRIVATE)) == 200


def test_a_retry_after_is_in_seconds_or_a_date() -> None:
    assert retry_after("7") == 7.0
    assert retry_after(None) is None
    assert retry_after("soon") is None
    assert retry_after("-3") is None
    later = retry_after(email.utils.formatdate(time.time() + 60, usegmt=True))
    assert later is not None and 50 < later <= 61
    assert retry_after(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0.0
