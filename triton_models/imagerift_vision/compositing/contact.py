"""The shadow that a product stands in: a drawn one is kept, and one is laid where none was."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.scene.finish import LUMA
from imagerift_vision.scene.grounding import contact_of
from imagerift_vision.scene.placement import Grounding

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# How much darker than the ground around it the darkest part of a contact shadow is.
DEPTH = 0.5
# From here on a place is in the shadow, and up to here out of it.
IN, OUT = 0.35, 0.03
# The ground that a shadow is seen against lies so far from the subject, in shares of the long edge.
NEAR, FAR = 40 / 1024, 110 / 1024
MOST = 0.75


def grounded(drawn: Pixels, alpha: Float, grounding: Grounding) -> Pixels:
    """[h, w, 3] with a contact shadow under what stands at [h, w] `alpha`.

    Where the picture is as dark there already, as against the ground beside it, it stays as it is.
    """
    shadow = contact_of(alpha, grounding)
    missing = _missing(drawn, alpha, shadow)
    if missing <= 0:
        return drawn
    dark = drawn.astype(np.float32) * (1 - np.float32(missing) * shadow[..., None])
    return (dark + 0.5).astype(np.uint8)


def _missing(drawn: Pixels, alpha: Float, shadow: Float) -> float:
    """How strongly the shadow has to be laid, 0 to 1."""
    beside = alpha < 0.05
    core = (shadow > IN) & beside
    ground = _ground(alpha, core) & (shadow < OUT) & beside
    if not core.any() or not ground.any():
        return 0.0
    light = drawn.astype(np.float32) @ LUMA
    depth = float(shadow[core].mean())
    have = float(light[core].mean()) / max(1.0, float(light[ground].mean()))
    wanted = 1 - DEPTH * depth
    return min(MOST, max(0.0, (1 - wanted / have) / depth)) if have > wanted else 0.0


def _ground(alpha: Float, core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Beside the subject, in the rows of its shadow and below."""
    longest = max(alpha.shape)
    solid = (alpha > 0.5).astype(np.uint8)
    away = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 3)
    ground: NDArray[np.bool_] = (away > NEAR * longest) & (away < FAR * longest)
    rows = np.flatnonzero(core.any(axis=1))
    if rows.size:
        ground[: rows[0]] = False
    return ground
