"""A record as the status that `kubectl` shows."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from imagerift_core.jobs import JobError, Output, Status
from imagerift_operator.job_status import camel_case, duration, job_status, refused_status

from tests.unit.operator.builders import START, make_record

END = START + timedelta(seconds=4)


def test_a_succeeded_job_is_complete_and_lists_its_outputs() -> None:
    output = Output(
        index=0,
        generation_id="g",
        key="workspaces/ws_a/jobs/job-1/1/output-0.png",
        seed=7,
        width=10,
        height=8,
        content_type="image/png",
        size_bytes=5,
        sha256="a" * 64,
    )
    record = make_record(
        status=Status.SUCCEEDED, started_at=START, completed_at=END, outputs=[output]
    )
    status = job_status(record)
    assert status["phase"] == "Succeeded"
    assert status["duration"] == "4.0s"
    assert status["conditions"][0]["type"] == "Complete"
    assert status["conditions"][0]["status"] == "True"
    assert status["outputs"] == [
        {
            "key": output.key,
            "width": 10,
            "height": 8,
            "bytes": 5,
            "sha256": "a" * 64,
            "seed": 7,
        }
    ]


def test_a_failed_job_says_why_in_a_reason_that_machines_can_match() -> None:
    error = JobError(code="image_unreadable", message="The image is damaged.")
    status = job_status(make_record(status=Status.FAILED, completed_at=END, error=error))
    assert (status["phase"], status["reason"]) == ("Failed", "ImageUnreadable")
    assert status["message"] == "The image is damaged."
    assert status["conditions"][0]["type"] == "Failed"


@pytest.mark.parametrize("status", list(Status))
def test_no_status_holds_the_prompt_a_url_or_an_empty_text(status: Status) -> None:
    ended = END if status.terminal else None
    text = json.dumps(job_status(make_record(status=status, completed_at=ended)))
    assert "a secret wish" not in text
    assert "://" not in text
    assert '""' not in text


def test_a_refusal_is_a_failed_status() -> None:
    status = refused_status("quota_exhausted", "Nothing left.", at=END)
    assert (status["phase"], status["reason"]) == ("Failed", "QuotaExhausted")
    assert status["finishedAt"] == "2026-11-22T12:00:04.000Z"


def test_reasons_are_camel_case() -> None:
    assert camel_case("out_of_memory") == "OutOfMemory"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.84, "0.8s"), (12.4, "12s"), (184, "3m4s"), (-1, "0.0s")]
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(START, START + timedelta(seconds=seconds)) == text
