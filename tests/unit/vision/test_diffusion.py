"""The diffusion mode around its network: framing, sizes, recipes, batches and failures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generate_cases import request_for
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.diffusion_settings import DiffusionSettings, Recipe
from imagerift_vision.entry_model import answer
from imagerift_vision.errors import VisionError, from_exception
from imagerift_vision.generate import ModeAnswer, ModeCall, Pipeline
from imagerift_vision.presets import PRESETS
from imagerift_vision.requests import ModelVersion
from imagerift_vision.storage import OriginClient
from odd_images import scene
from origin import Origin

SETTINGS = {
    "weights": "/weights",
    "edge": 96,
    "batch": 2,
    "steps": 4,
    "strength": 0.5,
    "facePresets": ["anime"],
    "presets": {"painted": {"prompt": "in oil", "steps": 8, "edge": 64}, "anime": {}},
}


class NoModes:
    """Has no memory for any mode."""

    def call(self, _call: ModeCall) -> ModeAnswer:
        raise VisionError("out_of_memory", "no memory")


class Plates:
    """Gives a plate of grey, 40 a seed, and remembers what it was asked; may refuse or raise."""

    versions = (ModelVersion("plates", "1"),)

    def __init__(self) -> None:
        self.asked: list[tuple[str, Recipe, tuple[int, ...], tuple[int, ...]]] = []
        self.refuses: set[int] = set()
        self.raises: dict[int, Exception] = {}

    def draw(
        self,
        picture: np.ndarray,
        prompt: str,
        recipe: Recipe,
        seeds: Sequence[int],
        guard: Guard,
    ) -> list[np.ndarray | None]:
        guard.check()
        self.asked.append((prompt, recipe, tuple(seeds), picture.shape))
        for seed in seeds:
            if seed in self.raises:
                raise self.raises[seed]
        return [
            None if seed in self.refuses else np.full(picture.shape, 40 * seed, np.uint8)
            for seed in seeds
        ]


def seeds_of(images: np.ndarray) -> list[int]:
    """Super-resolution moves a plain grey by a step or two."""
    return [round(float(image.mean()) / 40) for image in images]


@pytest.fixture
def plates() -> Plates:
    return Plates()


@pytest.fixture(scope="module")
def loaded_mode() -> DiffusionMode:
    settings = DiffusionSettings.from_environment({"IMAGERIFT_DIFFUSION": json.dumps(SETTINGS)})
    return DiffusionMode(settings, Plates(), threads=1)


@pytest.fixture
def mode(loaded_mode: DiffusionMode, plates: Plates) -> DiffusionMode:
    loaded_mode._network = plates
    return loaded_mode


def call(**changes: object) -> ModeCall:
    rgb = np.asarray(scene().convert("RGB"))
    opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    asked = ModeCall(
        model="diffusion",
        image=np.concatenate([rgb, opaque], axis=2),
        attempt_id="job/1",
        seconds_left=float("inf"),
        prompt="a mug",
        preset=None,
        seeds=(1, 2, 3),
        width=128,
        height=96,
    )
    return replace(asked, **changes)


def test_seeds_go_in_batches_and_come_back_in_order_at_the_size_wanted(mode, plates, guard) -> None:
    answer = mode.run(call(), guard)
    assert answer.images.shape == (3, 96, 128, 3)
    assert seeds_of(answer.images) == [1, 2, 3]
    assert [asked[2] for asked in plates.asked] == [(1, 2), (3,)]
    # Drawn on the network's grid, whatever the output's size.
    assert plates.asked[0][3] == (64, 96, 3)
    assert answer.models[0] == ModelVersion("plates", "1")


@pytest.mark.parametrize(
    ("preset", "drawn"),
    [
        (None, ("a mug", 4)),
        ("painted", ("a mug, in oil", 8)),
        ("neon", (f"a mug, {PRESETS['neon'].meaning}", 4)),
    ],
)
def test_a_preset_is_a_recipe_and_words_behind_the_user_s(
    mode, plates, guard, preset, drawn
) -> None:
    answer = mode.run(call(preset=preset, seeds=(1,)), guard)
    assert answer.preset == preset
    assert (plates.asked[0][0], plates.asked[0][1].steps) == drawn


def test_a_preset_that_nobody_knows_is_refused(mode, guard) -> None:
    with pytest.raises(VisionError, match="invalid_request"):
        mode.run(call(preset="levitate"), guard)


def test_a_preset_that_draws_a_person_needs_a_face(mode, plates, guard) -> None:
    with pytest.raises(VisionError, match="no_face_found"):
        mode.run(call(preset="anime"), guard)
    assert plates.asked == []


def test_what_the_weights_own_checker_refuses_is_left_out(mode, plates, guard) -> None:
    plates.refuses = {2}
    answer = mode.run(call(), guard)
    assert seeds_of(answer.images) == [1, 3]
    assert answer.omitted == ((1, "content_filtered"),)


def test_a_batch_that_fails_is_left_out_alone(mode, plates, guard) -> None:
    plates.raises = {3: RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")}
    answer = mode.run(call(), guard)
    assert len(answer.images) == 2
    assert answer.omitted == ((2, "out_of_memory"),)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), "out_of_memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 B"),
            "out_of_memory",
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "model_error"),
        (VisionError("timeout", "late"), "timeout"),
    ],
)
def test_when_nothing_can_be_drawn_the_job_fails_with_the_first_reason(
    mode, plates, guard, raised, code
) -> None:
    plates.raises = dict.fromkeys((1, 3), raised)
    with pytest.raises((VisionError, RuntimeError)) as failure:
        mode.run(call(), guard)
    assert from_exception(failure.value).code == code


def test_a_cancel_ends_it_between_steps(mode, plates, tmp_path: Path) -> None:
    flags = CancelFlags(tmp_path)
    flags.raise_flag("job/1")
    with pytest.raises(VisionError, match="canceled"):
        mode.run(call(), AttemptGuard(flags, "job/1", float("inf")))
    assert plates.asked == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weights": ""}, "IMAGERIFT_DIFFUSION_WEIGHTS"),
        ({"steps": 4, "strength": 0.2}, "at least one step"),
        ({"strength": 1.5}, "at least one step"),
        ({"batch": 0}, "batch"),
        ({"stepz": 3}, "stepz"),
        ({"presets": {"neon": {"prompts": "x"}}}, "prompts"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DiffusionSettings.from_environment({"IMAGERIFT_DIFFUSION": json.dumps(SETTINGS | wrong)})


def test_the_variable_names_the_weights_over_the_pool_s_file() -> None:
    settings = DiffusionSettings.from_environment(
        {"IMAGERIFT_DIFFUSION": json.dumps(SETTINGS), "IMAGERIFT_DIFFUSION_WEIGHTS": "/mnt/sdxl"}
    )
    assert settings.weights == Path("/mnt/sdxl")


def test_a_job_of_several_aspects_is_refused_since_each_would_be_another_picture(
    origin: Origin, tmp_path: Path
) -> None:
    pipeline = Pipeline(OriginClient(origin.url), NoModes(), {"style": "diffusion"})

    def code(*shapes: dict[str, str]) -> str:
        request = request_for(origin, outputs=[*shapes])
        return answer(json.dumps(request), CancelFlags(tmp_path), pipeline.run).error.code

    assert code({"aspect": "1:1"}, {"aspect": "9:16"}) == "invalid_request"
    # Drawn once in one aspect, it may be had in several sizes and formats.
    assert code({"aspect": "1:1"}, {"aspect": "1:1", "size": "2k"}) == "out_of_memory"
    pipeline.client.close()
