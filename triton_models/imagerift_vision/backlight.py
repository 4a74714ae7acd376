"""A person against the light: brought up to ordinary light before anything is drawn.

How dark a face may be is not for its skin to say. The whites of the eyes are nearly the same in
everybody, so they tell the light that is on the face.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.faces import LEFT_EYE, RIGHT_EYE, Face

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# The brightest tenth of the eyes in ordinary light, and where a face is against the light, 0 to 1.
ORDINARY_WHITES, DARK_WHITES = 0.60, 0.42
WHITES_SHARE = 90
# Noise stands out beyond; what is darker than this is black, and no face.
STEEPEST, MOST_GAIN, BLACK = 0.45, 3.5, 0.06
# So much brighter than the face is what lies behind; so much of the picture shows it.
BEHIND_BRIGHTER, LEAST_BEHIND = 0.12, 0.05
# Less than this is no eye to be measured.
LEAST_PIXELS = 12


def balanced(rgb: Pixels, alpha: Float, face: Face) -> Pixels:
    """[h, w, 3] pixels whose person ([h, w] matte, 0 to 1) is lit as usual; else `rgb` itself."""
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    whites = light_on(luma, face)
    behind = alpha < 0.05
    if whites is None or whites >= DARK_WHITES or behind.mean() < LEAST_BEHIND:
        return rgb
    skin = _inside(face.box, luma)
    if float(np.median(luma[behind])) < float(np.median(skin)) + BEHIND_BRIGHTER:
        return rgb
    steepness = max(STEEPEST, float(np.log(ORDINARY_WHITES) / np.log(max(whites, 0.02))))
    # The lightness follows a curve, the colours stay; what is black stays so.
    smooth = np.maximum(cv2.GaussianBlur(luma, (0, 0), 0.004 * max(luma.shape)), 1 / 255)
    gain = np.minimum(smooth ** (steepness - 1), MOST_GAIN)
    weight = cv2.GaussianBlur(alpha, (0, 0), 0.004 * max(luma.shape))
    lit = rgb * (1 + (gain - 1) * weight * np.clip(smooth / BLACK, 0, 1))[..., None]
    return np.clip(lit + 0.5, 0, 255).astype(np.uint8)


def light_on(luma: Float, face: Face) -> float | None:
    """The lightness of the brighter eye's white; None where no eye is open wide enough."""
    found = []
    for contour in (LEFT_EYE, RIGHT_EYE):
        mask = np.zeros(luma.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(face.contour(contour)).astype(np.int32)], 1)
        inside = luma[mask > 0]
        if inside.size >= LEAST_PIXELS:
            found.append(float(np.percentile(inside, WHITES_SHARE)))
    return max(found, default=None)


def _inside(box: tuple[float, float, float, float], plane: Float) -> Float:
    left, top, right, bottom = (max(0, round(side)) for side in box)
    part: Float = plane[top:bottom, left:right]
    return part if part.size else plane
