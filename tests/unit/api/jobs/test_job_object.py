"""The job object, from the record alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from imagerift_api.jobs import job_object as job_objects
from imagerift_core.generation import GenerationSpec
from imagerift_core.jobs import (
    Analysis,
    AppliedWords,
    IgnoredWords,
    JobError,
    JobRecord,
    People,
    PromptRead,
    Status,
    Subject,
)
from imagerift_core.mongo.scheduler_snapshot import JobProgress, QueuePosition

from tests.support.job_records import ACCEPTED_AT, make_output, make_record

# Key and type of the published sample.
SAMPLE: dict[str, Any] = {
    "jobId": str,
    "status": str,
    "statusUrl": str,
    "requestId": str,
    "quota": {
        "source": str,
        "scope": str,
        "remaining": int,
        "charged": bool,
        "remainingAfterQueue": int,
        "chargedOnSuccess": bool,
    },
    "rateLimit": {"remainingThisMinute": int},
}


def job_object(record: JobRecord, **known: Any) -> dict[str, Any]:
    """The job object of `record`, as it is sent."""
    content: dict[str, Any] = json.loads(job_objects.job_object(record, **known).model_dump_json())
    return content


def succeeded() -> JobRecord:
    record = make_record(units=2, attempt=1)
    return record.model_copy(
        update={
            "status": Status.SUCCEEDED,
            "outputs": [make_output(record, 0), make_output(record, 1)],
            "started_at": ACCEPTED_AT + timedelta(milliseconds=250),
            "completed_at": ACCEPTED_AT + timedelta(milliseconds=1250),
            "preset_used": "noir",
            "quota": record.quota.model_copy(
                update={"state": "charged", "charged_units": 2, "remaining": 998}
            ),
        }
    )


def test_it_has_every_key_of_the_sample_with_its_type() -> None:
    def check(sample: dict[str, Any], content: Mapping[str, Any]) -> None:
        for key, kind in sample.items():
            if isinstance(kind, dict):
                check(kind, content[key])
            else:
                assert type(content[key]) is kind, key

    check(SAMPLE, job_object(make_record(), remaining_this_minute=29))


def test_it_says_how_far_it_is_where_that_is_known() -> None:
    record = make_record(units=3)
    told = JobProgress(
        attempt=1, stage="model", step=12, steps=30, variation=1, share=0.41, eta_seconds=8.5
    )
    assert job_object(record, remaining_this_minute=29)["progress"] is None
    shown = job_object(record, remaining_this_minute=29, progress=told)
    assert shown["progress"] == {
        "stage": "model",
        "step": 12,
        "steps": 30,
        "variation": 1,
        "variations": record.spec.variations,
        "share": 0.41,
        "etaSeconds": 8.5,
    }


def test_the_shape_is_the_same_at_every_status() -> None:
    def shape(content: Any) -> Any:
        return {k: shape(v) for k, v in content.items()} if isinstance(content, dict) else None

    queued = job_object(make_record(), remaining_this_minute=1)
    failed = make_record(status=Status.FAILED, completed_at=ACCEPTED_AT)
    others = [succeeded(), failed, make_record(status=Status.CANCELED)]

    for record in others:
        assert shape(job_object(record, remaining_this_minute=1)) == shape(queued)


def test_a_reservation_is_shown_until_it_is_charged_or_released() -> None:
    queued = job_object(make_record(units=3), remaining_this_minute=1)["quota"]
    charged = job_object(succeeded(), remaining_this_minute=1)["quota"]

    assert (queued["reserved"], queued["charged"], queued["units"]) == (3, False, 3)
    assert (charged["reserved"], charged["charged"], charged["units"]) == (0, True, 2)
    assert charged["remaining"] == 998


def test_urls_appear_only_where_they_were_signed() -> None:
    record = succeeded()
    expiry = ACCEPTED_AT + timedelta(minutes=10)

    without = job_object(record, remaining_this_minute=1)
    signed = job_object(
        record,
        remaining_this_minute=1,
        download_urls={0: "https://s3/a", 1: "https://s3/b"},
        thumbnail_urls={0: "https://s3/small"},
        urls_expire_at=expiry,
    )

    assert without["downloadUrl"] is without["thumbnailUrl"] is None
    assert without["outputs"][0]["downloadUrlExpiresAt"] is None
    assert signed["downloadUrl"] == "https://s3/a"
    assert signed["outputs"][1]["downloadUrl"] == "https://s3/b"
    assert signed["thumbnailUrl"] == signed["outputs"][0]["thumbnailUrl"] == "https://s3/small"
    assert signed["outputs"][1]["thumbnailUrl"] is None
    assert signed["outputs"][1]["downloadUrlExpiresAt"] == "2026-11-22T12:10:00.000Z"


def test_the_model_s_choices_are_told() -> None:
    told = Analysis(
        preset_reason="background",
        preset_words="white background",
        refused_presets=["neon"],
        framing="cropped",
        people=People(found=2, shown=1, box=(0.1, 0.2, 0.3, 0.4)),
        prompt_read=PromptRead(
            preset="noir",
            why="background",
            applied=[AppliedWords(part="background", value="#ffffff", words="white background")],
            ignored=[IgnoredWords(words="add a bow", reason="unknown")],
        ),
        subject=Subject(treatment="graded", reason="doubt", confidence=0.375),
    )
    record = succeeded().model_copy(update={"analysis": told})

    assert job_object(make_record(), remaining_this_minute=1)["analysis"] is None
    assert job_object(record, remaining_this_minute=1)["analysis"] == {
        "preset": "noir",
        "presetReason": "background",
        "presetWords": "white background",
        "refusedPresets": ["neon"],
        "framing": "cropped",
        "people": {"found": 2, "shown": 1, "box": [0.1, 0.2, 0.3, 0.4]},
        "promptRead": {
            "preset": "noir",
            "why": "background",
            "applied": [{"part": "background", "value": "#ffffff", "words": "white background"}],
            "ignored": [{"words": "add a bow", "reason": "unknown"}],
        },
        "subject": {"treatment": "graded", "reason": "doubt", "confidence": 0.375},
    }


def test_a_mask_and_what_is_done_without_a_clear_subject_are_told() -> None:
    record = make_record()
    mask = record.source.model_copy(update={"key": "workspaces/ws_test/jobs/x/mask"})
    spec = record.spec.model_copy(update={"on_unclear_subject": "fail"})

    plain = job_object(record, remaining_this_minute=1)
    told = job_object(
        record.model_copy(update={"mask": mask, "spec": spec}), remaining_this_minute=1
    )

    assert (plain["mask"], plain["onUnclearSubject"]) == (None, "grade")
    assert (told["mask"], told["onUnclearSubject"]) == ({"imageKey": mask.key}, "fail")


def test_times_are_told_in_milliseconds() -> None:
    spent = {"fetchMs": 2.4, "decodeMs": 10.0, "modelMs": 812.6, "encodeMs": 90.0, "other": 1.0}
    record = succeeded().model_copy(update={"stage_ms": spent})
    content = job_object(record, remaining_this_minute=1)

    assert content["metrics"] == {
        "queueMs": 250,
        "executionMs": 1000,
        "totalMs": 1250,
        "stages": {
            "fetchMs": 2,
            "decodeMs": 10,
            "modelMs": 813,
            "encodeMs": 90,
            "uploadMs": None,
        },
    }
    assert content["createdAt"] == "2026-11-22T12:00:00.000Z"


@pytest.mark.parametrize("known", [True, False])
def test_a_place_is_told_or_null(known: bool) -> None:
    queue_position = (
        QueuePosition(position=2, eta_seconds=None, reason="waiting_for_slot") if known else None
    )

    queue = job_object(make_record(), remaining_this_minute=1, queue_position=queue_position)[
        "queue"
    ]

    assert queue == {
        "position": 2 if known else None,
        "etaSeconds": None,
        "reason": "waiting_for_slot" if known else None,
    }


def test_a_failure_is_a_code_and_a_message() -> None:
    record = make_record(
        status=Status.FAILED, error=JobError(code="timeout", message="too slow", retryable=True)
    )

    assert job_object(record, remaining_this_minute=1)["error"] == {
        "code": "timeout",
        "message": "too slow",
        "retryable": True,
    }


def test_no_bucket_key_of_an_output_is_shown() -> None:
    record = succeeded()

    text = str(job_object(record, remaining_this_minute=1))

    assert record.outputs[0].key not in text
    assert make_output(record).key not in text


def test_each_output_says_which_variation_and_which_shape_it_is() -> None:
    record = make_record(units=4)
    shapes = [{"aspect": "1:1", "size": "2k", "format": "jpeg"}, {"aspect": "9:16"}]
    spec = GenerationSpec.model_validate(
        record.spec.model_dump() | {"outputs": shapes, "variations": 2}
    )
    outputs = [make_output(record, index) for index in (0, 1, 3)]
    record = record.model_copy(update={"spec": spec, "outputs": outputs})
    told = job_object(record, remaining_this_minute=1)
    wide = {"aspect": "1:1", "size": "2k", "format": "jpeg"}
    tall = {"aspect": "9:16", "size": "base", "format": "png"}
    assert told["requestedOutputs"] == [wide, tall]
    names = ("variation", "output", *wide)
    assert [{name: output[name] for name in names} for output in told["outputs"]] == [
        {"variation": 0, "output": 0} | wide,
        {"variation": 0, "output": 1} | tall,
        {"variation": 1, "output": 1} | tall,
    ]
    assert (told["exportSize"], told["outputAspect"], told["outputFormat"]) == tuple(
        wide[name] for name in ("size", "aspect", "format")
    )


def test_without_outputs_each_is_a_variation_of_the_one_shape() -> None:
    told = job_object(succeeded(), remaining_this_minute=1)
    assert told["requestedOutputs"] is None
    assert [(output["variation"], output["output"]) for output in told["outputs"]] == [
        (0, 0),
        (1, 0),
    ]
    assert {output["aspect"] for output in told["outputs"]} == {told["outputAspect"]}
