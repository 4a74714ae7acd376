"""Variations of one photo are framed differently, also where words fix the background."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from imagerift_vision.control import Guard
from imagerift_vision.mode_call import ModeCall
from imagerift_vision.presets import PRESETS
from imagerift_vision.scene.composition import COMPOSITIONS, composed
from imagerift_vision.scene.placement import Subject, describe
from imagerift_vision.scene.render import placed
from imagerift_vision.scene_mode import SceneMode
from imagerift_vision.scene_spec import Space

from tests.support.products import product

SEEDS = range(40, 45)
SIDE, THUMBNAIL = 256, 64
# Of two variations as thumbnails: the mean difference of a pixel, in CIE L*a*b* of 1976, and how
# much of the space that either subject takes both may take.
LEAST_DIFFERENCE, MOST_SHARED = 4.0, 0.72
Box = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def scene() -> SceneMode:
    return SceneMode(threads=1)


@cache
def subject_of(shape: str) -> Subject:
    rgba = product(shape, 1)
    return describe(rgba[..., :3].astype(np.float32) / 255, rgba[..., 3].astype(np.float32) / 255)


def box_of(subject: Subject, seed: int, size: tuple[int, int], space: Space | None = None) -> Box:
    """left, top, right, bottom of the subject in shares of the canvas."""
    preset = composed(replace(PRESETS["studio"], space=space), seed)
    spot = placed(subject, preset, size)
    left, top, right, bottom = subject.box
    return (
        (left * spot.scale + spot.left) / size[0],
        (top * spot.scale + spot.top) / size[1],
        (right * spot.scale + spot.left) / size[0],
        (bottom * spot.scale + spot.top) / size[1],
    )


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """The mean CIE76 difference of two pictures' thumbnails."""
    one, two = (
        cv2.cvtColor(
            cv2.resize(p, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
            / 255,
            cv2.COLOR_RGB2LAB,
        )
        for p in (first, second)
    )
    return float(np.linalg.norm(one - two, axis=2).mean())


def shared(first: Box, second: Box) -> float:
    """Intersection over union."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    both = max(0.0, wide) * max(0.0, high)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return both / (sum(areas) - both)


@pytest.mark.parametrize(
    ("mode", "prompt"),
    [
        ("style", ""),
        ("style", "on a white background"),
        ("style", "packshot, no shadow"),
        ("scene", "on a white background"),
        ("scene", "teal background"),
        ("scene", "on a wooden table"),
    ],
)
def test_five_variations_are_five_pictures_whatever_the_prompt_says_of_the_background(
    loaded: Mapping[str, Any], scene: SceneMode, guard: Guard, mode: str, prompt: str
) -> None:
    ours = scene if mode == "scene" else loaded["style"]
    image, left = product("bottle", 1), float("inf")
    call = ModeCall(
        mode, image, "five", left, prompt, "studio", tuple(SEEDS), SIDE, SIDE, mode=mode
    )
    pictures = ours.run(call, guard).images
    boxes = [box_of(subject_of("bottle"), seed, (SIDE, SIDE)) for seed in SEEDS]
    for first, second in itertools.combinations(range(len(SEEDS)), 2):
        assert difference(pictures[first], pictures[second]) > LEAST_DIFFERENCE
        assert shared(boxes[first], boxes[second]) < MOST_SHARED


@pytest.mark.parametrize("size", [(512, 512), (288, 512), (512, 288), (512, 128)])
@pytest.mark.parametrize("shape", ["bottle", "plate", "box"])
def test_no_seed_brings_a_subject_to_the_frame(shape: str, size: tuple[int, int]) -> None:
    for seed in range(20):
        left, top, right, bottom = box_of(subject_of(shape), seed, size)
        assert min(left, top, 1 - right, 1 - bottom) > 0.04


def test_seeds_take_the_thirds_the_middle_and_leave_room_above() -> None:
    boxes = [box_of(subject_of("bottle"), seed, (512, 512)) for seed in range(len(COMPOSITIONS))]
    middles = sorted((left + right) / 2 for left, _, right, _ in boxes)
    assert middles[0] == pytest.approx(1 / 3, abs=0.03)
    assert middles[-1] == pytest.approx(2 / 3, abs=0.03)
    heights = [bottom - top for _, top, _, bottom in boxes]
    assert max(heights) / min(heights) > 1.5
    assert max(top for _, top, _, _ in boxes) > 0.33


@pytest.mark.parametrize(("space", "sign"), [("left", 1), ("right", -1)])
def test_room_that_words_ask_for_stays_in_every_variation(space: Space, sign: int) -> None:
    for seed in range(20):
        left, _, right, _ = box_of(subject_of("bottle"), seed, (512, 512), space=space)
        assert sign * ((left + right) / 2 - 0.5) > 0.15


def test_who_is_cut_below_stays_at_the_frame_with_a_whole_head() -> None:
    alpha = np.zeros((400, 400), np.float32)
    alpha[80:, 120:280] = 1
    person = describe(np.ones((400, 400, 3), np.float32), alpha)
    boxes = [box_of(person, seed, (512, 512)) for seed in range(20)]
    for left, top, right, bottom in boxes:
        assert bottom >= 1 - 1e-6
        assert top > 0.02
        assert left > 0.02
        assert right < 0.98
    assert max(right - left for left, _, right, _ in boxes) > 1.4 * min(
        right - left for left, _, right, _ in boxes
    )
