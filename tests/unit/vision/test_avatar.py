"""Avatars: the same person for every seed, before another backdrop, whole and in place."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from generate_cases import likeness
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.errors import VisionError
from imagerift_vision.faces import LEFT_EYE, FaceFinder
from imagerift_vision.features import reshaped
from imagerift_vision.matting import Matting
from imagerift_vision.mode_call import ModeCall
from imagerift_vision.portrait import Portrait, portray
from odd_images import PORTRAIT, portrait, scene
from PIL import Image

FINDER = FaceFinder()


def call(image: Image.Image, preset: str | None, *seeds: int, size: int = 512) -> ModeCall:
    pixels = np.asarray(image.convert("RGBA"))
    return ModeCall("avatar", pixels, "test", float("inf"), "", preset, seeds, size, size)


@pytest.fixture(scope="module")
def matting() -> Matting:
    return Matting(1)


@pytest.mark.parametrize("preset", ["anime", "cartoon3d", "oilpaint"])
def test_seeds_change_the_backdrop_and_keep_the_person(
    loaded: Mapping[str, Any], guard: Guard, preset: str
) -> None:
    answer = loaded["avatar"].run(call(portrait(), preset, 7, 8, 7), guard)
    first, second, again = answer.images
    assert answer.preset == preset
    assert np.array_equal(first, again)
    [face] = FINDER.find(first)
    left, top, right, bottom = (round(edge) for edge in face.box)
    inside = np.zeros(first.shape[:2], bool)
    inside[top:bottom, left:right] = True
    corners = np.zeros_like(inside)
    corners[:170, :110] = corners[:170, -110:] = True
    assert likeness(first, second, inside) > 0.85
    assert np.abs(first[corners].astype(int) - second[corners]).mean() > 12


@pytest.mark.parametrize("ratio", [1.0, 16 / 9, 9 / 16, 4 / 5])
def test_the_head_is_whole_and_high_in_the_frame(matting: Matting, ratio: float) -> None:
    width, height = (512, round(512 / ratio)) if ratio >= 1 else (round(512 * ratio), 512)
    shown = portray(np.asarray(portrait().convert("RGBA")), width, height, FINDER, matting)
    left, top, right, bottom = shown.face.box
    assert left > 0
    assert top > 0
    assert right < width
    assert bottom < 0.85 * height
    # The chest reaches the lower edge, the hair does not reach the upper one.
    assert shown.alpha[-1].max() > 0.9
    assert shown.alpha[0].max() < 0.1


def test_the_picture_s_own_cut_out_is_the_matte(matting: Matting) -> None:
    cut_out = portrait().convert("RGBA")
    cut_out.putalpha(Image.new("L", cut_out.size, 0))
    cut_out.paste(portrait().crop((120, 0, 320, 320)), (120, 0))
    shown = portray(np.asarray(cut_out), 512, 512, FINDER, matting)
    assert not shown.matted
    assert shown.alpha[:, :20].max() < 0.1


def test_under_a_mask_the_photograph_stays_as_it_is(matting: Matting) -> None:
    photograph = portrait().convert("RGBA")
    plain = portray(np.asarray(photograph), 512, 512, FINDER, matting)
    mask = Image.new("L", photograph.size, 0)
    mask.paste(255, (120, 0, 320, 320))
    photograph.putalpha(mask)
    shown = portray(np.asarray(photograph), 512, 512, FINDER, matting, masked=True)
    assert np.array_equal(shown.rgb, plain.rgb)
    assert shown.matted
    assert shown.alpha[:, :20].max() < 0.1
    assert shown.alpha[300, 256] > 0.9


def test_of_two_people_one_is_shown_alone_and_the_answer_says_which(matting: Matting) -> None:
    one = Image.open(PORTRAIT).convert("RGBA")
    alpha = (matting.matte(np.asarray(one.convert("RGB"))).alpha * 255).astype(np.uint8)
    one.putalpha(Image.fromarray(alpha))
    pair = Image.new("RGBA", (632, 512), (140, 160, 150, 255))
    for left, top in ((-60, 0), (60, 20)):
        pair.paste(one, (left, top), one)
    pixels = np.asarray(pair)
    first, second = sorted(FINDER.find(pixels[..., :3]), key=lambda face: face.box[0])
    for width, height in ((512, 512), (768, 432), (432, 768)):
        shown = portray(pixels, width, height, FINDER, matting)
        assert shown.people.found == 2
        assert shown.people.shown == 1
        left, top, right, bottom = shown.people.box
        taken = second if (left + right) / 2 > first.box[2] / 632 else first
        assert np.allclose(
            np.array(taken.box) / (632, 512, 632, 512), (left, top, right, bottom), atol=1e-3
        )
        assert len(FINDER.find(_on_grey(shown))) == 1
        # Nobody's face hangs over the one that is shown: the other one is gone, not pale.
        scale = shown.unit / (taken.box[3] - taken.box[1])
        other = first if taken is second else second
        middle = (np.array(other.box[:2]) + other.box[2:]) / 2
        x, y = shown.face.box[:2] + (middle - taken.box[:2]) * scale
        if 0 <= x < width and 0 <= y < height:
            assert shown.alpha[round(y), round(x)] < 0.02


def test_an_answer_tells_of_the_people(loaded: Mapping[str, Any], guard: Guard) -> None:
    answer = loaded["avatar"].run(call(portrait(), "cartoon3d", 7), guard)
    assert answer.analysis.preset_reason == "request"
    assert (answer.analysis.people.found, answer.analysis.people.shown) == (1, 1)


def _on_grey(shown: Portrait) -> np.ndarray:
    share = shown.alpha[..., None]
    return np.ascontiguousarray((shown.rgb * share + 150 * (1 - share)).astype(np.uint8))


def test_reshaping_moves_landmarks_with_the_pixels(matting: Matting) -> None:
    shown = portray(np.asarray(portrait().convert("RGBA")), 512, 512, FINDER, matting)
    larger: Portrait = reshaped(shown, eyes=0.3, jaw=0.0)
    before, after = (p.face.contour(LEFT_EYE) for p in (shown, larger))
    assert np.ptp(after[:, 0]) > 1.15 * np.ptp(before[:, 0])
    # Found anew in the reshaped picture, the eye is where the moved landmarks say.
    [face] = FINDER.find(larger.rgb)
    found = face.contour(LEFT_EYE).mean(axis=0)
    assert np.abs(found - after.mean(axis=0)).max() < 4


def test_without_a_face_there_is_no_avatar(loaded: Mapping[str, Any], guard: Guard) -> None:
    with pytest.raises(VisionError) as refused:
        loaded["avatar"].run(call(scene(), "anime", 1), guard)
    assert refused.value.code == "no_face_found"
    assert not refused.value.retryable


@pytest.mark.parametrize("preset", [None, "studio"])
def test_a_preset_is_needed(loaded: Mapping[str, Any], guard: Guard, preset: str | None) -> None:
    with pytest.raises(VisionError) as refused:
        loaded["avatar"].run(call(portrait(), preset, 1), guard)
    assert refused.value.code == "invalid_request"


def test_cancel_stops_between_tiles(loaded: Mapping[str, Any], tmp_path: Any) -> None:
    flags = CancelFlags(tmp_path)
    asked = 0

    class Stops(AttemptGuard):
        def check(self) -> None:
            nonlocal asked
            asked += 1
            if asked == 6:
                flags.raise_flag("test")
            super().check()

    with pytest.raises(VisionError) as stopped:
        loaded["avatar"].run(call(portrait(), "anime", 1), Stops(flags, "test", float("inf")))
    assert stopped.value.code == "canceled"
    assert asked == 6
