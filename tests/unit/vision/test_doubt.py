"""The signs of a bad cut-out, each on a picture that has it and on one that has not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from imagerift_vision.control import Guard
from imagerift_vision.doubt import BOUNDS, SURE, Signs, confidence, signs_of
from imagerift_vision.errors import VisionError
from imagerift_vision.matting import SIDE, Matting
from imagerift_vision.mode_call import ModeCall

NO_SIGNS = Signs(0.0, 0.0, 0.0)
CENTRE, RADIUS, FOOT = (160, 110), 50, 280


def disc(value: float = 1.0) -> np.ndarray:
    """A map or matte of the thing's body."""
    body = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(body, CENTRE, RADIUS, value, -1)
    return body


def photo(*, leg: bool = False, horizon: bool = False) -> np.ndarray:
    """A red body before grey paper, with a thin leg or before a line from side to side."""
    pixels = np.full((SIDE, SIDE, 3), (170, 172, 168), np.uint8)
    if horizon:
        cv2.line(pixels, (0, 120), (SIDE, 120), (60, 60, 70), 3)
    if leg:
        cv2.line(pixels, CENTRE, (CENTRE[0], FOOT), (190, 60, 50), 4)
    cv2.circle(pixels, CENTRE, RADIUS, (190, 60, 50), -1)
    return pixels


def attached(pixels: np.ndarray, alpha: np.ndarray) -> float:
    return signs_of(pixels, disc(), disc(), alpha).attached


def test_without_a_sign_a_cut_out_is_sure() -> None:
    assert confidence(NO_SIGNS) == 1
    assert signs_of(photo(), disc(), disc(), disc()) == NO_SIGNS


@pytest.mark.parametrize("name", ["scales", "faint", "attached"])
def test_one_sign_alone_puts_a_cut_out_in_doubt(name: str) -> None:
    bound = getattr(BOUNDS, name)
    assert confidence(replace(NO_SIGNS, **{name: 0.98 * bound})) >= SURE
    assert confidence(replace(NO_SIGNS, **{name: 1.02 * bound})) < SURE
    assert confidence(replace(NO_SIGNS, **{name: 9.0})) == 0


def test_a_leg_that_the_matte_left_out_is_seen() -> None:
    with_leg = disc()
    cv2.line(with_leg, CENTRE, (CENTRE[0], FOOT), 1.0, 4)
    reach = (FOOT - CENTRE[1] - RADIUS) / (2 * RADIUS)
    assert attached(photo(leg=True), disc()) == pytest.approx(reach, abs=0.1)
    assert attached(photo(leg=True), with_leg) == 0


def test_a_horizon_behind_the_subject_is_no_leg() -> None:
    assert attached(photo(horizon=True), disc()) == 0


def test_what_the_network_half_sees_counts_where_it_hangs_on_the_subject() -> None:
    tail, apart = disc(), disc()
    cv2.line(tail, CENTRE, (CENTRE[0], FOOT), 0.1, 4)
    tail = np.maximum(tail, disc())
    cv2.circle(apart, (40, 290), 10, 0.1, -1)
    assert signs_of(photo(), tail, disc(), disc()).faint == pytest.approx(0.55, abs=0.03)
    assert signs_of(photo(), apart, disc(), disc()).faint == 0


def test_scales_that_disagree_are_told_as_their_share() -> None:
    half = disc()
    half[: CENTRE[1]] = 0
    assert signs_of(photo(), disc(), half, disc()).scales == pytest.approx(0.5, abs=0.02)


def test_nothing_at_all_is_in_doubt() -> None:
    nothing = np.zeros((SIDE, SIDE), np.float32)
    assert confidence(signs_of(photo(), nothing, nothing, nothing)) == 0


def test_what_is_in_doubt_is_graded_whole_or_fails(
    loaded: Mapping[str, Any], guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgba = np.dstack([photo(), np.full((SIDE, SIDE), 255, np.uint8)])
    call = ModeCall("style", rgba, "a/1", 60, "", "studio", (3,), 192, 192)
    maps = [disc(), np.zeros((SIDE, SIDE), np.float32)]
    monkeypatch.setattr(Matting, "_maps", lambda *_: tuple(maps))

    told = loaded["style"].run(call, guard).analysis.subject
    assert (told.treatment, told.reason, told.confidence) == ("graded", "doubt", 0)
    with pytest.raises(VisionError) as refusal:
        loaded["style"].run(replace(call, on_unclear_subject="fail"), guard)
    assert refusal.value.code == "subject_unclear"
    assert "confidence 0.00" in refusal.value.message

    maps[1] = disc()
    other = rgba.copy()
    other[0, 0] ^= 1
    told = loaded["style"].run(replace(call, image=other), guard).analysis.subject
    assert (told.treatment, told.reason) == ("cut_out", "sure")
