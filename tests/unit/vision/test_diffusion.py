"""The diffusion mode around its network: framing, sizes, recipes, batches and failures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generate_cases import request_for
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.diffusion import DiffusionMode, windowed
from imagerift_vision.diffusion_drawing import Drawing, finished
from imagerift_vision.diffusion_options import Lora
from imagerift_vision.diffusion_settings import DiffusionSettings, Recipe
from imagerift_vision.entry_model import answer
from imagerift_vision.errors import VisionError, from_exception
from imagerift_vision.generate import Pipeline
from imagerift_vision.mode_call import ModeAnswer, ModeCall
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
    "presets": {
        "painted": {"prompt": "in oil", "steps": 8, "edge": 64},
        "anime": {},
        "around": {"task": "inpaint"},
        "dreamt": {"task": "generate"},
    },
}


class NoModes:
    """Has no memory for any mode."""

    def call(self, _call: ModeCall) -> ModeAnswer:
        raise VisionError("out_of_memory", "no memory")


class Plates:
    """Gives a plate of grey, 40 a seed, and remembers what it was asked; may refuse or raise."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Recipe, tuple[int, ...], tuple[int, ...]]] = []
        self.drawings: list[Drawing] = []
        self.refuses: dict[int, str] = {}
        self.raises: dict[int, Exception] = {}
        self.most = 8
        self.tasks = ("img2img", "edit", "inpaint")

    def task_of(self, recipe: Recipe) -> str:
        return recipe.task or "img2img"

    def tasks_of(self, _recipe: Recipe) -> tuple[str, ...]:
        return self.tasks

    def versions(self, _recipe: Recipe) -> tuple[ModelVersion, ...]:
        return (ModelVersion("plates", "1"),)

    def draw(
        self, drawing: Drawing, recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[np.ndarray | VisionError]:
        guard.check()
        shape = (drawing.height, drawing.width, 3)
        self.asked.append((drawing.prompt, recipe, tuple(seeds), shape))
        self.drawings.append(drawing)
        if len(seeds) > self.most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        for seed in seeds:
            if seed in self.raises:
                raise self.raises[seed]
        return [
            VisionError(self.refuses[seed], "refused")
            if seed in self.refuses
            else np.full(shape, 40 * seed, np.uint8)
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


@pytest.mark.parametrize("code", ["content_filtered", "model_error"])
def test_a_picture_that_the_network_refuses_is_left_out(mode, plates, guard, code) -> None:
    plates.refuses = {2: code}
    answer = mode.run(call(), guard)
    assert seeds_of(answer.images) == [1, 3]
    assert answer.omitted == ((1, code),)


def test_where_all_pictures_are_broken_the_job_fails(mode, plates, guard) -> None:
    plates.refuses = dict.fromkeys((1, 2, 3), "model_error")
    with pytest.raises(VisionError, match="model_error"):
        mode.run(call(), guard)


def test_a_batch_that_memory_does_not_hold_is_halved(mode, plates, guard) -> None:
    plates.most = 1
    answer = mode.run(call(), guard)
    assert seeds_of(answer.images) == [1, 2, 3]
    assert answer.omitted == ()
    assert [asked[2] for asked in plates.asked] == [(1, 2), (1,), (2,), (3,)]


def test_each_batch_is_told_of_before_it_is_drawn(mode, guard) -> None:
    told = []
    guard.tell = lambda **what: told.append(what)
    mode.run(call(), guard)
    assert told == [{"first": 0, "together": 2}, {"first": 2, "together": 1}]


def test_no_source_is_looked_at_where_the_task_is_to_generate(mode, plates, guard) -> None:
    answer = mode.run(call(preset="dreamt", seeds=(1,)), guard)
    assert (plates.drawings[0].picture, answer.analysis) == (None, None)
    assert answer.images.shape == (1, 96, 128, 3)


def test_what_lies_around_the_caller_s_own_subject_is_drawn(mode, plates, guard) -> None:
    masked = call(preset="around", seeds=(1,), masked=True)
    height, width = masked.image.shape[:2]
    matte = masked.image.copy()
    matte[..., 3] = 0
    matte[height // 4 : height // 2, width // 4 : width // 2, 3] = 255
    mode.run(replace(masked, image=matte, width=width, height=height), guard)
    drawing = plates.drawings[0]
    kept = drawing.mask == 0
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    high, wide = drawing.mask.shape
    assert abs(rows[0] - (high / 4 - 4)) <= 2
    assert abs(rows[-1] - (high / 2 + 4)) <= 2
    assert abs(columns[0] - (wide / 4 - 4)) <= 2
    # What the caller's matte leaves out is shown to the network all the same, not white paper.
    assert drawing.picture[0, 0].tolist() != [255, 255, 255]


@pytest.mark.parametrize(("mode_name", "task"), [("edit", "edit"), ("scene", "inpaint")])
def test_a_mode_that_wants_a_task_gets_it_whatever_the_pool_s_presets_are_drawn_by(
    mode, plates, guard, mode_name, task
) -> None:
    asked = call(mode=mode_name, seeds=(1,), on_unclear_subject="cut", negative_prompt="rain")
    mode.run(asked, guard)
    assert plates.drawings[0].task == task
    assert (plates.drawings[0].mask is not None) == (task == "inpaint")
    recipe = plates.asked[0][1]
    assert recipe.negative_prompt == "rain"
    # The pool's own strength is for sources that are drawn over.
    assert recipe.strength != SETTINGS["strength"]


def test_of_a_scene_what_is_drawn_goes_on_under_the_product_s_edge(mode, plates, guard) -> None:
    matte = np.zeros((96, 96, 4), np.uint8)
    matte[32:64, 32:64, 3] = 255
    for name in ("scene", None):
        preset = None if name else "around"
        asked = call(image=matte, mode=name, preset=preset, masked=True, seeds=(1,))
        mode.run(replace(asked, width=96, height=96), guard)
    under, beside = (int((drawing.mask == 0).sum()) for drawing in plates.drawings)
    assert under < 32 * 32 < beside


def test_pictures_beside_the_source_are_shown_no_larger_than_what_is_drawn(
    mode, plates, guard
) -> None:
    other = np.full((200, 400, 4), 90, np.uint8)
    other[:, :200, 3] = 0
    small = np.full((40, 30, 4), 255, np.uint8)
    mode.run(call(mode="edit", seeds=(1,), references=(other, small)), guard)
    shown = plates.drawings[0].references
    assert [one.shape for one in shown] == [(48, 96, 3), (40, 30, 3)]
    # On white where they are transparent.
    assert shown[0][0, 0].tolist() == [255, 255, 255]


def test_a_mode_that_the_weights_cannot_do_is_refused(mode, plates, guard) -> None:
    with pytest.raises(VisionError, match="cannot do mode generate"):
        mode.run(call(mode="generate"), guard)
    assert plates.asked == []


def test_a_matte_goes_with_its_picture_s_window() -> None:
    alpha = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert windowed(alpha, None) is alpha
    assert windowed(alpha, (1, 1, 2, 2)).tolist() == [[5, 6], [9, 10]]
    assert windowed(alpha, (-1, 2, 3, 2)).tolist() == [[0, 8, 9], [0, 0, 0]]


@pytest.mark.parametrize("wrong", [np.nan, 0.5], ids=["no number", "flat"])
def test_a_picture_that_is_none_is_a_model_error(wrong: float) -> None:
    drawn = np.full((64, 64, 3), wrong, np.float32)
    failure = finished(drawn, Drawing("generate", "", 64, 64))
    assert isinstance(failure, VisionError)
    assert failure.code == "model_error"
    drawn[5, 5] = 1.0
    assert isinstance(finished(drawn, Drawing("generate", "", 64, 64)), VisionError) == (
        wrong != 0.5
    )


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
    plates.raises = dict.fromkeys((1, 2, 3), raised)
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
        ({"collectMs": 2000}, "collectMs"),
        ({"stepz": 3}, "stepz"),
        ({"presets": {"neon": {"prompts": "x"}}}, "prompts"),
        ({"task": "dream"}, "dream"),
        ({"quantization": "nf3"}, "nf3"),
        ({"loras": [{"weights": "/loras/ink.bin"}]}, "safetensors"),
        ({"loras": ["/loras/ink.safetensors"]}, "LoRA"),
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
    pipeline.close()


def test_options_and_loras_are_read_from_the_pool_s_file() -> None:
    ink = {"weights": "/loras/ink.safetensors", "scale": 0.5}
    told = {
        "quantization": "fp8",
        "vaeTiling": True,
        "vramGiB": 20,
        "presets": {"inked": {"loras": [ink], "task": "edit"}},
    }
    settings = DiffusionSettings.from_environment(
        {"IMAGERIFT_DIFFUSION": json.dumps(SETTINGS | told)}
    )
    options = settings.options
    assert (options.quantization, options.vae_tiling, options.vram_gib) == ("fp8", True, 20)
    assert settings.presets["inked"].loras == (Lora(Path(ink["weights"]), 0.5),)
    assert settings.presets["inked"].task == "edit"
