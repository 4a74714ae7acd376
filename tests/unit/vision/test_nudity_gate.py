"""The example of a gate with a network: how it prepares pictures, and what it blocks.

Its weights are not in the checkout: a network of one layer stands in, whose score can be reckoned.
IMAGERIFT_NUDITY_WEIGHTS names the file of the real ones, where they are at hand.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from imagerift_vision import python_backend as pb
from imagerift_vision.python_models import API, PythonModels
from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "gates" / "nudity"
WEIGHTS = os.environ.get("IMAGERIFT_NUDITY_WEIGHTS", "")
SIDE = 224


class OneLayer:
    """Scores how red the middle of a picture is, in the place of the network."""

    def get_inputs(self) -> list[Any]:
        return [type("Input", (), {"name": "fed"})]

    def run(self, _wanted: None, fed: dict[str, np.ndarray]) -> list[np.ndarray]:
        (pictures,) = fed.values()
        assert pictures.shape == (1, SIDE, SIDE, 3) and pictures.dtype == np.float32
        red = float((pictures[..., 2] + 123).mean()) / 255
        return [np.array([[1 - red, red]], np.float32)]


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(EXAMPLE, tmp_path / "nudity")
    before, known = sys.modules.get(API), set(sys.modules)
    yield tmp_path
    sys.modules.pop(API, None)
    if before is not None:
        sys.modules[API] = before
    for name in {"score"} & (set(sys.modules) - known):
        sys.modules.pop(name)
    sys.path[:] = [path for path in sys.path if not path.startswith(str(tmp_path))]
    pb.InferenceRequest.runs = None


@pytest.fixture
def models(repository: Path) -> PythonModels:
    made = PythonModels([repository])
    made.install()
    return made


def scorer_of(models: PythonModels, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's module of scores, with a network that stands in."""
    models._module("nudity")
    score = sys.modules["score"]
    monkeypatch.setattr(score, "check", lambda: None)
    monkeypatch.setattr(sys.modules["imagerift_model_nudity"], "check", lambda: None)
    monkeypatch.setattr(score.onnxruntime, "InferenceSession", lambda *_a, **_k: OneLayer())
    return score


def verdict(models: PythonModels, stage: str, *reds: int) -> Any:
    images = np.zeros((len(reds), 300, 400, 4), np.uint8)
    images[..., 3] = 255
    for image, red in zip(images, reds, strict=True):
        image[..., 0] = red
    parameters = np.array([json.dumps({"stage": stage, "prompt": ""}).encode()], np.object_)
    request = pb.InferenceRequest(
        "nudity", ["VERDICT"], [pb.Tensor("IMAGES", images), pb.Tensor("PARAMETERS", parameters)]
    )
    (response,) = models.run(request)
    assert not response.has_error(), response.error()
    return json.loads(response.output_tensors()[0].as_numpy()[0])


def test_what_scores_above_its_stage_s_limit_is_blocked(
    models: PythonModels, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer_of(models, monkeypatch)
    limits = repository / "nudity" / "1" / "limits.json"
    limits.write_text('{"input": 0.5, "output": 0.9}')
    assert verdict(models, "input", 250, 10, 200)["blocked"] == [0, 2]
    assert verdict(models, "output", 250, 10, 200)["blocked"] == [0]
    # It may be changed while the server runs.
    limits.write_text('{"input": 1, "output": 1}')
    assert verdict(models, "input", 250, 10, 200)["blocked"] == []


def test_weights_that_are_not_there_or_others_are_no_gate(
    models: PythonModels, repository: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        models.check("nudity")
    (repository / "nudity" / "1" / "open-nsfw.onnx").write_bytes(b"others")
    with pytest.raises(ValueError, match="another checksum"):
        models.check("nudity")


def test_what_is_seen_through_is_shown_on_white(
    models: PythonModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = scorer_of(models, monkeypatch)
    clear = score.prepared(np.zeros((64, 64, 4), np.uint8))
    assert np.allclose(clear + np.array([104, 117, 123]), 255)


@pytest.mark.skipif(not WEIGHTS, reason="IMAGERIFT_NUDITY_WEIGHTS names no weights")
def test_the_real_network_lets_a_portrait_pass(models: PythonModels, repository: Path) -> None:
    shutil.copyfile(WEIGHTS, repository / "nudity" / "1" / "open-nsfw.onnx")
    models.check("nudity")
    models._module("nudity")
    scorer = sys.modules["score"].Scorer()
    portrait = Image.open(EXAMPLE.parents[1] / "images" / "portrait.jpg").convert("RGBA")
    assert 0 < scorer.score(np.asarray(portrait)) < 0.2
