"""Portraits of people as they are photographed: against the light, at the border, cut by it."""

import cv2
import numpy as np
import pytest
from imagerift_vision.backlight import balanced
from imagerift_vision.errors import VisionError
from imagerift_vision.faces import LEFT_EYE, OVAL, RIGHT_EYE, Face, FaceFinder
from imagerift_vision.matting import Matting
from imagerift_vision.portrait import Portrait, portray
from odd_images import PORTRAIT
from PIL import Image

FINDER = FaceFinder()
PHOTO = np.asarray(Image.open(PORTRAIT).convert("RGB"))
FACE = FINDER.find(PHOTO)[0]


@pytest.fixture(scope="module")
def matting() -> Matting:
    return Matting(1)


@pytest.fixture(scope="module")
def alpha(matting: Matting) -> np.ndarray:
    return matting.matte(PHOTO).alpha


def shot(pixels: np.ndarray, matting: Matting, side: int = 384) -> Portrait:
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    return portray(opaque, side, side, FINDER, matting)


def exposed(pixels: np.ndarray, stops: float) -> np.ndarray:
    light = (pixels / 255) ** 2.2 * 2.0**stops
    return np.asarray(np.clip(light, 0, 1) ** (1 / 2.2) * 255, np.uint8)


def against_the_light(alpha: np.ndarray, stops: float) -> np.ndarray:
    share = alpha[..., None]
    mixed = exposed(PHOTO, -stops) * share + exposed(PHOTO, 0.7) * (1 - share)
    return mixed.astype(np.uint8)


def lightness(shown: Portrait) -> float:
    left, top, right, bottom = (round(side) for side in shown.face.box)
    return float(np.median(cv2.cvtColor(shown.rgb, cv2.COLOR_RGB2GRAY)[top:bottom, left:right]))


def mask_of(face: Face, contours: tuple[tuple[int, ...], ...]) -> np.ndarray:
    mask = np.zeros(PHOTO.shape[:2], np.uint8)
    for contour in contours:
        cv2.fillPoly(mask, [np.round(face.contour(contour)).astype(np.int32)], 1)
    return mask > 0


@pytest.mark.parametrize("stops", [2.0, 2.8])
def test_a_face_against_the_light_is_lit_as_usual(
    alpha: np.ndarray, matting: Matting, stops: float
) -> None:
    usual = lightness(shot(PHOTO, matting))
    dark = against_the_light(alpha, stops)
    before = float(np.median(cv2.cvtColor(dark, cv2.COLOR_RGB2GRAY)[mask_of(FACE, (OVAL,))]))
    assert before < 0.6 * usual
    assert lightness(shot(dark, matting)) == pytest.approx(usual, rel=0.25)


def test_dark_skin_in_ordinary_light_stays_as_it_is(alpha: np.ndarray) -> None:
    """The whites of the eyes tell the light, not the skin."""
    skin = mask_of(FACE, (OVAL,)) & ~mask_of(FACE, (LEFT_EYE, RIGHT_EYE))
    picture = np.where(skin[..., None], exposed(PHOTO, -2.5), PHOTO)
    assert balanced(picture, alpha, FACE) is picture


def test_an_ordinary_photo_stays_as_it_is(alpha: np.ndarray) -> None:
    assert balanced(PHOTO, alpha, FACE) is PHOTO
    # A dark room is no light from behind.
    dark = exposed(PHOTO, -2.5)
    assert balanced(dark, alpha, FACE) is dark


@pytest.mark.parametrize("side", ["left", "right"])
def test_who_stands_at_the_border_comes_to_the_middle(matting: Matting, side: str) -> None:
    left, _, right, _ = (round(edge) for edge in FACE.box)
    cut = PHOTO[:, left - 25 :] if side == "left" else PHOTO[:, : right + 25]
    # Enough beside the person to fill a frame with nothing.
    empty = np.full((cut.shape[0], 400, 3), 190, np.uint8)
    wide = np.hstack([cut, empty] if side == "left" else [empty, cut])
    shown = shot(wide, matting)
    middle = (shown.face.box[0] + shown.face.box[2]) / 2 / shown.alpha.shape[1]
    assert abs(middle - 0.5) <= 0.16


def test_hair_that_the_picture_cuts_is_cut_by_the_frame_and_not_in_mid_air(
    matting: Matting,
) -> None:
    _, top, _, bottom = FACE.box
    close = PHOTO[round(top - 0.2 * (bottom - top)) :]
    shown = shot(close, matting)
    assert shown.alpha[0].max() > 0.9
    # The face is whole, and its eyes no lower than the middle.
    assert shown.face.box[1] > 0
    assert shown.face.mesh[[33, 263], 1].mean() < 0.5 * len(shown.alpha)


def test_a_face_that_the_border_cuts_is_refused_and_says_why(matting: Matting) -> None:
    left, _, right, _ = FACE.box
    half = PHOTO[:, round(left + 0.3 * (right - left)) :]
    assert FINDER.find(half)
    with pytest.raises(VisionError, match="border") as refused:
        shot(half, matting)
    assert refused.value.code == "no_face_found"


def test_a_whole_face_goes_before_a_larger_one_that_is_cut(matting: Matting) -> None:
    left, _, right, _ = FACE.box
    half = PHOTO[:, round(left + 0.3 * (right - left)) :]
    small = cv2.resize(PHOTO, (358, 358), interpolation=cv2.INTER_AREA)
    beside = np.full((512, 358, 3), 150, np.uint8)
    beside[:358] = small
    both = np.hstack([half, beside])
    assert len(FINDER.find(both)) == 2
    shown = shot(both, matting)
    assert (shown.people.found, shown.people.shown) == (2, 1)
    assert shown.people.box is not None
    assert shown.people.box[0] > half.shape[1] / both.shape[1]
