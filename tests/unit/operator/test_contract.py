"""The operator's side of the wire, held to the schemas and examples in `contract/`.

tests/unit/vision/test_contract.py holds the models' side to the same files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imagerift_core import model_schemas
from imagerift_core.cutouts import CutoutOptions
from imagerift_core.generation import GenerationSpec
from imagerift_core.jobs import (
    Analysis,
    AppliedWords,
    IgnoredWords,
    ModelVersion,
    OmittedOutput,
    People,
    PromptRead,
    Status,
    Subject,
)
from imagerift_core.model_documents import ControlAnswer, GenerateRequest
from imagerift_operator.attempt_codec import Signer, build_request, read_answer, settlement_of
from jsonschema import Draft202012Validator

from tests.unit.operator.builders import make_record

CONTRACT = Path(__file__).parents[3] / "contract"
EXAMPLES = [
    path for path in sorted((CONTRACT / "examples").glob("*.json")) if path.stem != "refused"
]
SCHEMAS = {name: json.loads(text) for name, text in model_schemas.files().items()}
RECORD = make_record(
    "job_example",
    attempt=2,
    mask=make_record().source.model_copy(update={"key": "workspaces/ws_a/jobs/job_example/mask"}),
    references=[
        make_record().source.model_copy(
            update={"key": f"workspaces/ws_a/jobs/job_example/reference-{position}"}
        )
        for position in range(2)
    ],
    spec=GenerationSpec(
        mode="style",
        preset="neon",
        prompt="neon light, no oil painting",
        seed=2**32 - 1,
        variations=3,
        output_aspect="4:5",
        output_format="webp",
        on_unclear_subject="fail",
        cutout=CutoutOptions(
            background="#ffffff",
            padding=0.05,
            fill=0.85,
            align="bottom",
            shadow="contact",
            width=1000,
            height=800,
        ),
        negative_prompt="text, hands",
        keep_subject=False,
    ),
)


def example(name: str) -> Any:
    return json.loads((CONTRACT / "examples" / name).read_text())


def faults(document: str, value: object) -> list[str]:
    """What is wrong with a document by its schema."""
    validator = Draft202012Validator(SCHEMAS[f"{document}.schema.json"])
    return [error.message for error in validator.iter_errors(value)]


def refused(document: str) -> Any:
    changes = example("refused.json")[document]
    whole = example(f"{document}.json")
    return [pytest.param(whole | change, id=name) for name, change in changes.items()]


def test_the_schemas_are_those_of_the_documents() -> None:
    """Red: run `make contract`."""
    assert {path.name: path.read_text() for path in CONTRACT.glob("*.json")} == (
        model_schemas.files()
    )
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_keeps_to_its_schema(path: Path) -> None:
    assert faults(path.stem.split("-")[0], json.loads(path.read_text())) == []


def test_every_document_has_an_example() -> None:
    named = {path.stem.split("-")[0] for path in EXAMPLES}
    assert named == set(model_schemas.DOCUMENTS)


def test_the_operator_sends_the_example_and_nothing_else() -> None:
    def sign(key: str, _content_type: str = "") -> str:
        return f"https://s3.example.com/imagerift/{key}?X-Amz-Signature=example"

    sent = build_request(RECORD, 119.5, Signer(get=sign, put=sign), "gate")
    assert sent == example("request.json")


def test_the_operator_asks_for_each_picture_of_each_output() -> None:
    def sign(key: str, _content_type: str = "") -> str:
        return f"https://s3.example.com/imagerift/{key}?X-Amz-Signature=example"

    shapes = [
        {"aspect": "1:1", "size": "2k", "format": "webp"},
        {"aspect": "9:16", "format": "jpeg"},
    ]
    spec = GenerationSpec.model_validate(
        {"mode": "style", "preset": "neon", "prompt": "neon light", "seed": 7, "variations": 2}
        | {"outputs": shapes}
    )
    record = RECORD.model_copy(update={"spec": spec, "mask": None, "references": []})
    assert build_request(record, 119.5, Signer(get=sign, put=sign)) == (
        example("request-outputs.json")
    )
    told = [
        {"index": index, "seed": spec.seed_of(index), "width": 8, "height": 8}
        | {"contentType": "image/webp", "sizeBytes": 5, "sha256": "0" * 64}
        for index in (3, 0, 4)
    ]
    ended = settlement_of(record, "me", read_answer({"outputs": told}))
    assert [(output.index, output.key.rsplit("/", 1)[1]) for output in ended.outputs] == [
        (0, "output-0.webp"),
        (3, "output-3.jpg"),
    ]


def test_what_may_be_left_out_of_a_request_has_the_defaults_of_a_job() -> None:
    read = GenerateRequest.model_validate(example("request-least.json"))
    spec = GenerationSpec(mode="duotone", seed=7)
    assert {name: getattr(read, name) for name in GenerationSpec.model_fields} == dict(spec)
    assert read.targets[0].thumbnail_url is None


def test_a_result_is_settled_with_everything_that_it_tells() -> None:
    told = example("result.json")
    ended = settlement_of(RECORD, "me", read_answer(told))
    assert ended.status is Status.SUCCEEDED
    prefix = "workspaces/ws_a/jobs/job_example/2"
    assert [
        {
            "index": output.index,
            "seed": output.seed,
            "width": output.width,
            "height": output.height,
            "contentType": output.content_type,
            "sizeBytes": output.size_bytes,
            "sha256": output.sha256,
            "thumbnail": output.thumbnail_key == f"{prefix}/thumbnail-{output.index}.webp",
        }
        for output in ended.outputs
    ] == told["outputs"]
    assert [output.seed for output in ended.outputs] == [RECORD.spec.seed_of(i) for i in (0, 2)]
    assert ended.omitted == [OmittedOutput(index=1, code="content_filtered")]
    assert ended.preset_used == "neon"
    assert ended.models == [
        ModelVersion(name="style", version="3"),
        ModelVersion(name="u2netp", version="1.0"),
    ]
    assert ended.stage_ms == told["metrics"]
    assert ended.analysis == Analysis(
        preset_reason="look",
        preset_words="neon light",
        refused_presets=["oil"],
        framing="bordered",
        people=People(found=3, shown=1, box=(0.25, 0.125, 0.5, 0.5)),
        prompt_read=PromptRead(
            preset="neon",
            why="look",
            applied=[
                AppliedWords(part="look", value="neon", words="neon light"),
                AppliedWords(part="background", value="#000080", words="navy background"),
            ],
            ignored=[IgnoredWords(words="add a bow", reason="unknown")],
        ),
        subject=Subject(treatment="graded", reason="doubt", confidence=0.375),
    )


def test_what_control_is_asked_and_answers_keeps_to_its_schemas() -> None:
    answer = ControlAnswer.model_validate(example("control.json"))
    progress = answer.progress["job_example/2"]
    assert (progress.stage, progress.step, progress.steps) == ("model", 12, 30)
    assert progress.shown == [0]
    assert (progress.step_seconds, progress.together, answer.slots) == (0.25, 2, {"generate": 4})
    assert ControlAnswer.model_validate({"flagged": True}).progress == {}
    assert faults("command", {"progress": ["job_example/2"]}) == []
    assert faults("control", {"progress": {"job_example/2": {"step": 3}}})
    assert faults("control", {"progress": {"job_example/2": {"stage": "model", "step": -1}}})


def test_a_result_that_tells_of_a_failure_fails_the_job_with_its_code() -> None:
    told = example("result-failed.json")
    ended = settlement_of(RECORD, "me", read_answer(told))
    assert ended.status is Status.FAILED
    assert ended.error is not None
    assert ended.error.model_dump() == told["error"]


@pytest.mark.parametrize("document", refused("request"))
def test_a_refused_request_breaks_the_schema(document: dict[str, Any]) -> None:
    assert faults("request", document)


@pytest.mark.parametrize("document", refused("result"))
def test_a_refused_result_breaks_the_schema_and_is_a_model_error(document: dict[str, Any]) -> None:
    assert faults("result", document)
    read = read_answer(document)
    assert read.error is not None and read.error.code == "model_error"
    assert read.outputs == []
