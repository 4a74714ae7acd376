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
from imagerift_vision.scene.backdrop import build
from imagerift_vision.scene.composition import composed
from imagerift_vision.scene.light import hang_lamp
from imagerift_vision.scene.placement import Grounding, Placement, describe, warp
from imagerift_vision.scene.render import placed
from odd_images import scene
from PIL import Image

SIDE = 448
# The drawn mug without its handle.
BOX = (163, 60, 300, 256)
SEEDS = (7, 8, 9, 10, 11)
# A cut-out differs at its very edge by antialiasing; the edge belongs to neither side.
EDGE_PIXELS = 5
# How far apart hatching's strokes are, in pixels of the source.
STROKES = {"sketch": 8.0}
# How like each other a subject's pictures are, at least: in hard light, the pattern of what stands
# in the lamp's beam falls on it too, from another side for each seed.
LEAST_LIKE = {"sketch": 0.6, "noir": 0.75, "cinematic": 0.8, "golden_hour": 0.8}


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


def spot_of(source: np.ndarray, preset: str, seed: int) -> tuple[Placement, np.ndarray]:
    """Where a seed puts the subject, and its alpha there."""
    alpha = source[..., 3].astype(np.float32) / 255
    subject = describe(source[..., :3].astype(np.float32) / 255, alpha)
    spot = placed(subject, composed(PRESETS[preset], seed), (SIDE, SIDE))
    return spot, warp(subject, spot, SIDE, SIDE)[1]


def as_photographed(picture: np.ndarray, spot: Placement, size: tuple[int, int]) -> np.ndarray:
    """What a picture shows of the subject, as large and where it is in the source."""
    seen = np.array([[spot.scale, 0, spot.left], [0, spot.scale, spot.top]], np.float32)
    return cv2.warpAffine(picture, seen, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


@pytest.mark.parametrize("preset", PRESETS)
def test_five_seeds_are_five_scenes_around_one_subject(
    loaded: Mapping[str, Any], guard: Guard, preset: str
) -> None:
    source = cut_out()
    call = ModeCall("style", source, "seeds", float("inf"), "", preset, SEEDS, SIDE, SIDE)
    pictures = loaded["style"].run(call, guard).images
    window = np.ones((2 * EDGE_PIXELS + 1,) * 2, np.uint8)
    inside = cv2.erode(source[..., 3], window) > 250
    size = (source.shape[1], source.shape[0])
    shown = [
        (picture, *spot_of(source, preset, seed))
        for picture, seed in zip(pictures, SEEDS, strict=True)
    ]
    for (first, here, alpha), (second, there, other) in itertools.combinations(shown, 2):
        alike = (as_photographed(first, here, size), as_photographed(second, there, size))
        # A brush is as broad on a small subject as on a large one: forms stay, strokes do not.
        one, two = (cv2.GaussianBlur(part, (0, 0), STROKES.get(preset, 2.5)) for part in alike)
        assert likeness(one, two, inside) > LEAST_LIKE.get(preset, 0.9)
        outside = cv2.dilate(np.maximum(alpha, other), window) < 0.01
        assert likeness(first, second, outside) < 0.9
        # Grain alone lowers the likeness of plain walls: light and colours must differ as well.
        calm = [cv2.GaussianBlur(p, (0, 0), 3).astype(np.float32) for p in (first, second)]
        assert np.abs(calm[0] - calm[1])[outside].mean() > 5


@pytest.mark.parametrize("grounding", ["floor", "table", "anchored"])
def test_every_seed_has_a_set(grounding: Grounding) -> None:
    for preset in PRESETS.values():
        for seed in range(25):
            rng = np.random.default_rng(seed)
            lamp, palette = hang_lamp(seed, rng), preset.palettes[0]
            stage = build(
                preset, palette, grounding, lamp=lamp, seed=seed, rng=rng, size=(160, 120)
            )
            assert stage.picture.shape == (120, 160, 3)
            assert np.isfinite(stage.picture).all()


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
