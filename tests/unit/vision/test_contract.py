"""The models' side of the wire, held to the examples in `contract/`.

tests/unit/operator/test_contract.py holds the operator's side to the same files.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagerift_contract.cutouts import CutoutOptions
from imagerift_vision.analysis import Analysis, Applied, Ignored, People, SubjectFound, Understood
from imagerift_vision.control import RunningAttempts, read_command
from imagerift_vision.errors import VisionError
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.mode_documents import info_of, parameters_of, read_info, read_parameters
from imagerift_vision.progress import LINE_BYTES, read_slots, say_slots
from imagerift_vision.requests import (
    GenerateRequest,
    Metrics,
    ModelVersion,
    Output,
    Result,
    Target,
    WantedOutput,
    parse_request,
)
from imagerift_vision.subject_proof import SubjectProof

EXAMPLES = Path(__file__).resolve().parents[3] / "contract" / "examples"
REFUSED = json.loads((EXAMPLES / "refused.json").read_text())["request"]
SIGNED = "https://s3.example.com/imagerift"
SIGNATURE = "X-Amz-Signature=example"
NOTHING = np.zeros((0, 1, 1, 3), np.uint8)
READ = Understood(
    "neon",
    "look",
    (Applied("look", "neon", "neon light"), Applied("background", "#000080", "navy background")),
    (Ignored("add a bow", "unknown"),),
)


def example(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text())


def test_every_member_of_a_request_is_read() -> None:
    attempt = f"{SIGNED}/workspaces/ws_a/jobs/job_example"
    assert parse_request((EXAMPLES / "request.json").read_bytes()) == GenerateRequest(
        attempt_id="job_example/2",
        seconds_left=119.5,
        source_url=f"{attempt}/source?{SIGNATURE}",
        mask_url=f"{attempt}/mask?{SIGNATURE}",
        reference_urls=tuple(f"{attempt}/reference-{n}?{SIGNATURE}" for n in (0, 1)),
        mode="style",
        preset="neon",
        prompt="neon light, no oil painting",
        seed=2**32 - 1,
        variations=3,
        export_size="base",
        output_aspect="4:5",
        output_format="webp",
        on_unclear_subject="fail",
        cutout=CutoutOptions("#ffffff", 0.05, 0.85, "bottom", "contact", 1000, 800),
        gate="gate",
        negative_prompt="text, hands",
        keep_subject=False,
        targets=tuple(
            Target(
                index=index,
                url=f"{attempt}/2/output-{index}.webp?{SIGNATURE}",
                content_type="image/webp",
                thumbnail_url=f"{attempt}/2/thumbnail-{index}.webp?{SIGNATURE}",
            )
            for index in range(3)
        ),
    )


def test_outputs_of_a_request_are_read() -> None:
    read = parse_request((EXAMPLES / "request-outputs.json").read_bytes())
    square, tall = WantedOutput("1:1", "2k", "webp"), WantedOutput("9:16", "base", "jpeg")
    assert read.shapes == (square, tall)
    assert [read.shape_of(target.index) for target in read.targets] == [square, tall] * 2
    assert [read.seed_of(target.index) for target in read.targets] == [7, 7, 8, 8]


def test_what_may_be_left_out_of_a_request_has_a_default() -> None:
    read = parse_request((EXAMPLES / "request-least.json").read_bytes())
    assert (read.preset, read.prompt) == (None, "")
    assert (read.export_size, read.output_aspect, read.output_format) == ("base", "source", "png")
    assert (read.mask_url, read.on_unclear_subject, read.cutout) == (None, "grade", None)
    assert read.gate is None
    assert (read.negative_prompt, read.keep_subject, read.reference_urls) == ("", True, ())
    assert read.shapes == (WantedOutput("source", "base", "png"),)
    [target] = read.targets
    assert target.thumbnail_url is None


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_a_refused_request_is_invalid(change: dict[str, Any]) -> None:
    with pytest.raises(VisionError) as refusal:
        parse_request(json.dumps(example("request.json") | change))
    assert refusal.value.code == "invalid_request"


def test_a_result_is_told_with_every_member() -> None:
    outputs = [Output(**_snake(output)) for output in example("result.json")["outputs"]]
    result = Result(
        outputs=outputs,
        omitted=[(1, "content_filtered")],
        preset="neon",
        models=[ModelVersion("style", "3"), ModelVersion("u2netp", "1.0")],
        metrics=Metrics(12.5, 3.25, 40, 950.75, 80.5, 20),
        analysis=Analysis(
            preset_reason="look",
            preset_words="neon light",
            refused_presets=("oil",),
            framing="bordered",
            people=People(3, 1, (0.25, 0.125, 0.5, 0.5)),
            prompt_read=READ,
            subject=SubjectFound("graded", "doubt", 0.375),
        ),
    )
    assert json.loads(result.to_json()) == example("result.json")


def test_a_result_tells_of_a_failure() -> None:
    error = VisionError("input_unavailable", "the source could not be fetched", retryable=True)
    result = Result(error=error, metrics=Metrics(fetchMs=5))
    assert json.loads(result.to_json()) == example("result-failed.json")


def test_a_modes_model_is_asked_with_the_parameters_that_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1795521700.0)
    asked = example("parameters.json")
    call = read_parameters(json.dumps(asked), "style", NOTHING)
    assert call == ModeCall(
        model="style",
        image=NOTHING,
        attempt_id="job_example/2",
        seconds_left=20.5,
        prompt="neon light, no oil painting",
        preset=None,
        seeds=(2**32 - 1, 0, 1),
        width=819,
        height=1024,
        on_unclear_subject="fail",
        masked=True,
        cutout=CutoutOptions("transparent", fill=0.5, shadow="drop"),
        mode="style",
        negative_prompt="text, hands",
        keep_subject=False,
        spare=40.0,
    )
    assert json.loads(parameters_of(call)) == asked


@pytest.mark.parametrize(
    ("later", "left", "spare", "waited"),
    [(10, 20.5, 30, 10), (50, 10.5, 0, 40), (-5, 25.5, 40, 0)],
    ids=["within what it may wait", "longer than that", "a clock set back"],
)
def test_what_a_call_waited_until_it_is_read_is_given_back(
    monkeypatch: pytest.MonkeyPatch, later: float, left: float, spare: float, waited: float
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1795521700.0 + later)
    call = read_parameters(json.dumps(example("parameters.json")), "style", NOTHING)
    assert (call.seconds_left, call.spare, call.waited) == (left, spare, waited)


def test_parameters_of_before_waits_have_a_deadline_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1795521710.0)
    old = example("parameters.json")
    del old["secondsLeft"], old["waitSeconds"]
    call = read_parameters(json.dumps(old), "style", NOTHING)
    assert (call.seconds_left, call.spare, call.waited) == (10.5, 0, 0)


def test_control_answers_what_it_is_asked(tmp_path: Path) -> None:
    """Of the model itself: what it reads and tells are these functions' values."""
    asked = read_command((EXAMPLES / "command.json").read_bytes())
    assert asked.progress == ("job_example/2", "job_ended/1")
    assert read_command((EXAMPLES / "command-cancel.json").read_bytes()).cancel == "job_example/2"
    answer = example("control.json")
    say_slots(tmp_path, "generate", '{"instance_group": [{"count": 4}]}')
    assert read_slots(tmp_path) == answer["slots"]
    attempts = RunningAttempts(tmp_path)
    with attempts.running("job_example/2") as entry:
        entry.tell(pictures=3)
        entry.tell(stage="model", variation=1, drawn=1, finished=1, shown=0b001)
        path = attempts.path_of("job_example/2")
        line = {"first": 0, "together": 2, "step": 12, "steps": 30, "stepSeconds": 0.25}
        with path.open("r+b") as file:
            file.seek(LINE_BYTES)
            file.write(json.dumps(line).encode())
        assert attempts.progress(asked.progress) == answer["progress"]


def test_a_modes_info_is_read_as_it_was_told() -> None:
    told = ModeAnswer(
        images=NOTHING,
        preset="neon",
        models=(ModelVersion("style", "3"),),
        omitted=((1, "content_filtered"),),
        analysis=Analysis(
            "look",
            "neon light",
            ("oil",),
            "whole",
            prompt_read=READ,
            subject=SubjectFound("cut_out", "given", None),
        ),
        proofs=(SubjectProof(0.0, 0.925), None),
    )
    assert json.loads(info_of(told)) == example("info.json")
    assert read_info((EXAMPLES / "info.json").read_bytes(), NOTHING) == told


@pytest.mark.parametrize(
    "wrong",
    [
        "kept",
        {"difference": 0.0},
        {"difference": -1.0, "share": 1.0},
        {"difference": 0.0, "share": 1.5},
        {"difference": "inf", "share": 1.0},
    ],
)
def test_a_proof_that_is_none_is_not_taken_for_one(wrong: object) -> None:
    told = json.dumps(example("info.json") | {"proofs": [wrong]})
    with pytest.raises((ValueError, KeyError)):
        read_info(told, NOTHING)


def test_a_modes_failure_is_read_as_it_was_told() -> None:
    error = VisionError("no_face_found", "no face was found in the source")
    told = ModeAnswer(NOTHING, None, (), error=error)
    assert json.loads(info_of(told)) == example("info-failed.json")
    assert read_info((EXAMPLES / "info-failed.json").read_bytes(), NOTHING) == told


def test_a_modes_code_that_is_not_ours_becomes_model_error() -> None:
    told = example("info-failed.json")
    told["error"] |= {"code": "segfault", "message": "secret inside", "retryable": True}
    read = read_info(json.dumps(told), NOTHING)
    assert read.error == VisionError("model_error", "the mode's model failed")


def _snake(output: dict[str, Any]) -> dict[str, Any]:
    """An output's members as they are named in Python."""
    names = {"contentType": "content_type", "sizeBytes": "size_bytes"}
    return {names.get(name, name): value for name, value in output.items()}
