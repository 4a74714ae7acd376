"""What becomes of a network's coarse map: holes that are too small to be told from dark spots."""

import cv2
import numpy as np
import pytest
from imagerift_vision.matting import PINHOLE, refine
from numpy.typing import NDArray

SIDE = 320
MIDDLE = (160, 160)
RADIUS = 120


def refined(hole: int, at: tuple[int, int] = MIDDLE) -> NDArray[np.float32]:
    """The matte of a bright disc with a dark spot of this radius that the network leaves out."""
    saliency = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(saliency, MIDDLE, RADIUS, 1, -1)
    cv2.circle(saliency, at, hole, 0, -1)
    rgb = np.repeat((saliency * 200).astype(np.uint8)[..., None], 3, axis=2)
    return refine(rgb, saliency)


@pytest.mark.parametrize("hole", [3, 5, 6])
def test_a_spot_like_an_eye_stays_whole(hole: int) -> None:
    assert hole**2 < PINHOLE * RADIUS**2
    alpha = refined(hole)
    assert alpha[140:180, 140:180].min() == 1


@pytest.mark.parametrize("hole", [12, 20, 60])
def test_a_hole_stays_one(hole: int) -> None:
    assert hole**2 > PINHOLE * RADIUS**2
    assert refined(hole)[MIDDLE] == 0


def test_what_is_cut_at_the_edge_is_not_filled() -> None:
    at_the_edge = (MIDDLE[0], MIDDLE[1] - RADIUS)
    notch = refined(6, at_the_edge)
    assert notch[at_the_edge[1] + 2, at_the_edge[0]] < 0.1
    assert notch[0, 0] == 0


def test_a_gap_that_the_frame_cuts_is_not_filled() -> None:
    saliency = np.ones((SIDE, SIDE), np.float32)
    saliency[:4, 150:170] = 0
    rgb = np.repeat((saliency * 200).astype(np.uint8)[..., None], 3, axis=2)
    assert refine(rgb, saliency)[0, 160] < 0.1
