"""What a server tells of its modes, for whoever sends it jobs."""

import json
from pathlib import Path

import pytest
from imagerift_vision.abilities import abilities, is_question
from imagerift_vision.settings import MODE_MODELS, Settings


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    """A pool's variables, its weights Stable Diffusion XL."""
    index = {"_class_name": "StableDiffusionXLPipeline"}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    modes = {"style": "diffusion", "generate": "diffusion", "edit": "diffusion"}
    return {
        "IMAGERIFT_DIFFUSION": json.dumps({"weights": str(tmp_path)}),
        "IMAGERIFT_MODE_MODELS": json.dumps(modes | {"avatar/anime": "diffusion"}),
    }


def told(environment: dict[str, str], what: str = "oneAspect") -> dict[str, bool | int | None]:
    found = abilities(Settings.from_environment(environment), environment)
    return {mode: said and said[what] for mode, said in found.items()}


def test_the_shipped_modes_make_any_aspect_of_a_seed() -> None:
    nobody = {"edit": None, "generate": None}
    assert told({}) == dict.fromkeys(MODE_MODELS, False) | nobody


def test_what_is_drawn_by_diffusion_has_one_aspect_and_only_what_its_weights_can(
    weights: dict[str, str],
) -> None:
    assert told(weights) == {
        "style": True,
        # One of its presets is.
        "avatar": True,
        "enhance": False,
        "cutout": False,
        "scene": False,
        "generate": True,
        # Stable Diffusion takes no instructions.
        "edit": None,
    }


def test_weights_that_cannot_be_read_are_told_of_by_their_own_model(
    weights: dict[str, str],
) -> None:
    weights["IMAGERIFT_DIFFUSION_WEIGHTS"] = "/nowhere"
    assert told(weights)["edit"]


@pytest.mark.parametrize(
    ("pipeline", "backgrounds", "looks"),
    [
        ("Flux2Pipeline", None, {"edit": 3, "scene": 0, "generate": 0, "style": 0}),
        ("Flux2Pipeline", "diffusion", {"edit": 3, "scene": 3, "generate": 0, "style": 0}),
        ("QwenImageEditPlusPipeline", "diffusion", {"edit": 2, "scene": 2, "generate": None}),
        ("FluxKontextPipeline", "diffusion", {"edit": 0, "scene": 0, "generate": 0}),
        ("FluxFillPipeline", "diffusion", {"edit": None, "scene": 0, "generate": None}),
        ("FluxFillPipeline", "ours", {"edit": None, "scene": 0}),
    ],
)
def test_references_are_told_as_many_as_the_weights_look_at(
    weights: dict[str, str],
    tmp_path: Path,
    pipeline: str,
    backgrounds: str | None,
    looks: dict[str, int | None],
) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    if backgrounds is not None:
        weights["IMAGERIFT_BACKGROUND_MODEL"] = backgrounds
    assert looks.items() <= told(weights, "references").items()


@pytest.mark.parametrize(
    ("command", "asked"),
    [(b'{"describe": true}', True), (b'{"describe": 1}', False), (b"[]", False), (b"?", False)],
)
def test_only_the_question_is_one(command: bytes, asked: bool) -> None:
    assert is_question(command) == asked
