"""`style`: a seed makes another scene, and the subject stays."""

import itertools
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest
from generate_cases import likeness
from imagerift_vision.control import Guard
from imagerift_vision.mode_call import ModeCall
from imagerift_vision.presets import PRESETS
from imagerift_vision.scene.placement import describe, place, warp
from odd_images import scene
from PIL import Image

SIDE = 448
# The drawn mug without its handle.
BOX = (163, 60, 300, 256)
SEEDS = (7, 8, 9, 10, 11)
# A cut-out differs at its very edge by antialiasing; the edge belongs to neither side.
EDGE_PIXELS = 5


def cut_out() -> np.ndarray:
    """[h, w, 4]: a subject with its own alpha, so that its place is known."""
    whole = scene().convert("RGBA")
    whole.putalpha(Image.new("L", whole.size, 0))
    whole.paste(scene().crop(BOX), BOX)
    return np.asarray(whole)


def meadow() -> np.ndarray:
    """[h, w, 4]: sky over grass, in which nothing stands out."""
    down = np.linspace(0, 1, 160)[:, None, None]
    colours = (1 - down) * (120, 160, 220) + down * (60, 110, 50)
    noise = np.random.default_rng(1).normal(0, 18, (20, 30, 3)).astype(np.float32)
    lit = np.broadcast_to(colours, (160, 240, 3)) + cv2.resize(noise, (240, 160))
    return np.dstack([np.clip(lit, 0, 255), np.full((160, 240), 255)]).astype(np.uint8)


def sides_of(source: np.ndarray, preset: str) -> tuple[np.ndarray, np.ndarray]:
    """Where on the canvas the subject surely is, and where it surely is not."""
    alpha = source[..., 3].astype(np.float32) / 255
    subject = describe(source[..., :3].astype(np.float32) / 255, alpha)
    _, shown = warp(subject, place(subject, SIDE, SIDE, PRESETS[preset].fill), SIDE, SIDE)
    window = np.ones((2 * EDGE_PIXELS + 1,) * 2, np.uint8)
    return cv2.erode(shown, window) > 0.99, cv2.dilate(shown, window) < 0.01


@pytest.mark.parametrize("preset", PRESETS)
def test_five_seeds_are_five_scenes_around_one_subject(
    loaded: Mapping[str, Any], guard: Guard, preset: str
) -> None:
    source = cut_out()
    call = ModeCall("style", source, "seeds", float("inf"), "", preset, SEEDS, SIDE, SIDE)
    pictures = loaded["style"].run(call, guard).images
    inside, outside = sides_of(source, preset)
    for first, second in itertools.combinations(pictures, 2):
        assert likeness(first, second, inside) > 0.9
        assert likeness(first, second, outside) < 0.9
        # Grain alone lowers the likeness of plain walls: light and colours must differ as well.
        calm = [cv2.GaussianBlur(p, (0, 0), 3).astype(np.float32) for p in (first, second)]
        assert np.abs(calm[0] - calm[1])[outside].mean() > 5


@pytest.mark.parametrize("preset", ["studio", "golden_hour", "neon", "noir"])
def test_five_seeds_of_a_picture_that_is_graded_whole_are_five_pictures(
    loaded: Mapping[str, Any], guard: Guard, preset: str
) -> None:
    call = ModeCall("style", meadow(), "seeds", float("inf"), "", preset, SEEDS, 240, 160)
    answer = loaded["style"].run(call, guard)
    assert answer.analysis.subject.treatment == "graded"
    for first, second in itertools.combinations(answer.images, 2):
        calm = [cv2.GaussianBlur(p, (0, 0), 2).astype(np.float32) for p in (first, second)]
        assert np.abs(calm[0] - calm[1]).mean() > 2
