"""The safety gate: what it blocks is neither rendered nor delivered, and it fails closed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generate_cases import request_for
from imagerift_vision.control import CancelFlags
from imagerift_vision.entry_model import answer
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import Pipeline
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.moderation import Look, Verdict, read_verdict
from imagerift_vision.requests import ModelVersion
from imagerift_vision.storage import OriginClient
from origin import Origin

EYE = ModelVersion("eye", "1")


class Plates:
    """A mode that gives a plate of each seed's grey; seeds in `lost` are omitted."""

    def __init__(self) -> None:
        self.calls = 0
        self.lost: dict[int, str] = {}

    def call(self, call: ModeCall) -> ModeAnswer:
        self.calls += 1
        shape = (call.height, call.width, 3)
        omitted = [(p, self.lost[s]) for p, s in enumerate(call.seeds) if s in self.lost]
        plates = [np.full(shape, seed, np.uint8) for seed in call.seeds if seed not in self.lost]
        images = np.stack(plates) if plates else np.zeros((0, 1, 1, 3), np.uint8)
        return ModeAnswer(images, call.preset, (), tuple(omitted))


class Eye:
    """A gate that says what `judge` says of each picture, and remembers what it was shown."""

    name = "eye"

    def __init__(self, judge: Callable[[Look, np.ndarray], bool]) -> None:
        self.judge = judge
        self.looks: list[Look] = []

    def look(self, look: Look) -> Verdict:
        self.looks.append(look)
        blocked = (index for index, one in enumerate(look.images) if self.judge(look, one))
        return Verdict(frozenset(blocked), (EYE,))


@pytest.fixture
def plates() -> Plates:
    return Plates()


@pytest.fixture
def run(origin: Origin, plates: Plates, decoding: Any, tmp_path: Path):
    client = OriginClient(origin.url)

    def generate(gate: Any, /, **changes: Any) -> dict[str, Any]:
        pipeline = Pipeline(client, plates, {"style": "style"}, gate, decoding)
        asked = json.dumps(request_for(origin, **changes))
        return json.loads(answer(asked, CancelFlags(tmp_path), pipeline.run).to_json())

    yield generate
    client.close()


def test_a_blocked_input_fails_the_job_before_any_model_runs(run, plates, origin) -> None:
    result = run(Eye(lambda look, _: look.stage == "input"))
    assert result["error"]["code"] == "content_filtered"
    assert not result["error"]["retryable"]
    assert "SECRETPROMPT" not in result["error"]["message"]
    assert plates.calls == 0
    assert origin.outputs == {}


def test_a_blocked_output_is_left_out_alone(run, origin) -> None:
    result = run(
        Eye(lambda look, one: look.stage == "output" and one[0, 0, 0] == 8), variations=3, seed=7
    )
    assert result["error"] is None
    assert [output["seed"] for output in result["outputs"]] == [7, 9]
    assert result["omitted"] == [{"index": 1, "code": "content_filtered"}]
    # Neither the picture nor its thumbnail.
    assert sorted(origin.outputs) == ["0", "2", "small-0", "small-2"]
    assert result["models"] == [{"name": "eye", "version": "1"}]
    assert result["metrics"]["moderationMs"] > 0


def test_the_gate_s_positions_are_those_of_the_pictures_that_were_made(run, plates) -> None:
    plates.lost = {7: "model_error"}
    result = run(Eye(lambda _, one: bool(one[0, 0, 0] == 9)), variations=3, seed=7)
    assert [output["seed"] for output in result["outputs"]] == [8]
    assert result["omitted"] == [
        {"index": 0, "code": "model_error"},
        {"index": 2, "code": "content_filtered"},
    ]


def test_when_every_output_is_blocked_the_job_fails(run, origin) -> None:
    result = run(Eye(lambda look, _: look.stage == "output"), variations=2)
    assert result["error"]["code"] == "content_filtered"
    assert result["outputs"] == result["omitted"] == []
    assert origin.outputs == {}


def test_the_gate_sees_the_source_the_prompt_and_each_output(run) -> None:
    eye = Eye(lambda *_: False)
    run(eye, variations=2, seed=3)
    source, outputs = eye.looks
    assert source.images.shape[0] == 1
    assert outputs.images.shape[0] == 2
    assert {look.images.shape[-1] for look in eye.looks} == {4}
    assert list(outputs.images[:, 0, 0, 0]) == [3, 4]
    assert outputs.images[..., 3].min() == 255
    shown = json.loads(source.parameters())
    assert shown | {"deadline": 0} == {
        "attemptId": source.request.attempt_id,
        "deadline": 0,
        "stage": "input",
        "mode": "style",
        "preset": "studio",
        "prompt": "SECRETPROMPT of a mug",
    }


@pytest.mark.parametrize("has", [None, "another"])
def test_a_job_that_must_be_judged_is_not_made_without_its_gate(run, plates, origin, has) -> None:
    eye = Eye(lambda *_: False)
    eye.name = has
    error = run(eye if has else None, gate="eye")["error"]
    assert (error["code"], error["retryable"]) == ("model_error", False)
    assert (plates.calls, eye.looks, origin.requests) == (0, [], [])


def test_a_job_that_must_be_judged_is_made_by_its_gate_s_leave(run) -> None:
    assert run(Eye(lambda *_: False), gate="eye")["error"] is None


def test_a_gate_that_cannot_look_lets_nothing_through(run, origin) -> None:
    class Broken:
        def look(self, look: Look) -> Verdict:
            if look.stage == "input":
                return Verdict(frozenset())
            raise VisionError("model_error", "away", retryable=True)

    error = run(Broken())["error"]
    assert (error["code"], error["retryable"]) == ("model_error", True)
    assert origin.outputs == {}


@pytest.mark.parametrize(
    "raw",
    [
        "SECRET",
        "[]",
        "null",
        "{}",
        '{"blocked": null}',
        '{"blocked": true}',
        '{"blocked": "0"}',
        '{"blocked": [2]}',
        '{"blocked": [-1]}',
        '{"blocked": [true]}',
        '{"blocked": [], "models": ["eye"]}',
    ],
)
def test_half_a_verdict_is_none(raw: str) -> None:
    with pytest.raises(VisionError, match="model_error") as raised:
        read_verdict(raw, 2)
    assert "SECRET" not in str(raised.value)


def test_a_whole_verdict_is_read() -> None:
    raw = '{"blocked": [1, 0, 1], "models": [{"name": "eye", "version": "1"}]}'
    assert read_verdict(raw, 2) == Verdict(frozenset({0, 1}), (EYE,))


def test_the_gate_sees_each_picture_of_each_output_once(run, plates) -> None:
    eye = Eye(lambda look, one: look.stage == "output" and one.shape[:2] == (1024, 1024))
    shapes = [{"aspect": "16:9", "size": "2k"}, {"aspect": "1:1"}]
    result = run(eye, variations=2, seed=3, outputs=shapes)
    # One call a shape, and in it each variation.
    assert [look.images.shape[:3] for look in eye.looks[1:]] == [(2, 1152, 2048), (2, 1024, 1024)]
    assert [output["index"] for output in result["outputs"]] == [0, 2]
    assert {item["index"]: item["code"] for item in result["omitted"]} == {
        1: "content_filtered",
        3: "content_filtered",
    }
