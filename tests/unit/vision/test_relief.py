"""The lamp's pattern falls on the subject too: bent by its relief, and fainter than on the wall."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from imagerift_vision.control import Guard
from imagerift_vision.presets import PRESETS
from imagerift_vision.scene.light import Lamp
from imagerift_vision.scene.placement import Subject, describe
from imagerift_vision.scene.relief import falling_on, relief_of
from imagerift_vision.scene.render import render

SIDE = 320
SEED = 7
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)
ROUND = (np.hypot(X - 160, Y - 170) < 90).astype(np.float32)
GREY = np.full((SIDE, SIDE, 3), 0.5, np.float32)
# Bars from above to below, 24 pixels wide.
BARS = ((X // 24) % 2).astype(np.float32)
LAMP = Lamp(0.8, 0.3, 1.0)


def ball() -> Subject:
    return describe(GREY, ROUND)


def test_what_is_round_stands_out_in_its_middle() -> None:
    relief = relief_of(GREY, ROUND)
    assert relief[170, 160] > 1.5 * relief[170, 76]
    assert relief[170, 160] == pytest.approx(relief[120:220, 110:210].max(), rel=0.05)


def test_bars_bend_over_a_round_subject_and_leave_its_brightness() -> None:
    light = falling_on(BARS, GREY, ROUND, LAMP, 0.8)
    inside = ROUND > 0
    assert float(light[inside].mean()) == pytest.approx(1, abs=0.01)
    # At most half as deep as on the wall, where 0.8 of the light is cut.
    assert 0.2 < float(np.ptp(light[inside])) < 0.5
    # Where a bar's edge lies, row by row: straight on the wall, and not on the subject.
    edges = [int(np.argmax(np.abs(np.diff(light[row, 110:210])))) for row in range(100, 240)]
    assert np.ptp(edges) > 6
    assert float(np.ptp(falling_on(np.ones_like(BARS), GREY, ROUND, LAMP, 0.8)[inside])) < 1e-4


@pytest.mark.parametrize("preset", ["golden_hour", "noir"])
def test_a_plain_thing_shows_the_pattern_of_its_set(guard: Guard, preset: str) -> None:
    """Against the same set, whose pattern does not fall on the subject."""
    look = replace(PRESETS[preset], gobos=("blinds",))
    subject = ball()
    picture = render(subject, look, SEED, (SIDE, SIDE), guard)
    empty = render(subject, look, SEED, (SIDE, SIDE), guard, empty=True)
    solid = cv2.erode((picture != empty).any(axis=2).astype(np.uint8), np.ones((25, 25)))
    luma = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 2).astype(float)
    rows = [luma[row][solid[row] > 0].mean() for row in range(SIDE) if solid[row].sum() > 20]
    # Blinds lie across: from row to row it gets lighter and darker again, several times.
    changes = np.diff(rows - np.convolve(rows, np.ones(41) / 41, "same"))[20:-20]
    assert np.count_nonzero(np.diff(np.sign(changes))) >= 3
    assert np.ptp(rows[20:-20]) > 4
