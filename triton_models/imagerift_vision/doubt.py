"""How sure a cut-out is: signs of what went wrong, in the network's maps and in the picture.

Each sign was calibrated on the tuning part of `make bench-vision`; docs/pictures.md tells how well
they hold on the part kept apart.
"""

from dataclasses import astuple, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# What the network takes for the subject, and what it half sees.
SOLID, FAINT = 0.5, 0.02
# The long edge at which thin things are looked for, and how far their ground is averaged.
EDGE, GROUND = 320, 21
# A thing differs from its ground by more than most of the picture does, and than noise can.
MOST_OF_THE_GROUND, LEAST_DIFFERENCE = 97, 14.0
LEAST_PIXELS = 8
SURE = 0.5


@dataclass(frozen=True)
class Signs:
    """Signs that a cut-out is wrong, 0 where there is none."""

    scales: float
    """How much the network's fine and coarse maps disagree: 1 minus their IoU; 0 where it makes
    only one."""
    faint: float
    """How far what it half sees reaches beyond what it is sure of: 1 minus their boxes' IoU."""
    attached: float
    """How far thin things that hang on the subject reach beyond its box, in its lengths."""


# A sign that is as strong makes the cut-out as likely bad as good.
BOUNDS = Signs(scales=0.12, faint=0.235, attached=0.8)


def confidence(signs: Signs) -> float:
    """How sure a cut-out with these signs is, 0 to 1; from `SURE` on it is used."""
    worst = max(sign / bound for sign, bound in zip(astuple(signs), astuple(BOUNDS), strict=True))
    return max(0.0, 1 - (1 - SURE) * worst)


def signs_of(rgb: Pixels, fine: Float, coarse: Float | None, alpha: Float) -> Signs:
    """The signs in [h, w, 3] pixels, the network's maps of them and the [h, w] matte."""
    coarse = fine if coarse is None else coarse
    both = float(np.maximum(fine, coarse).sum())
    overlap = float(np.minimum(fine, coarse).sum()) / both if both else 1.0
    solid = fine > SOLID
    return Signs(1 - overlap, _faint(fine, solid), _attached(rgb, alpha))


def _faint(fine: Float, solid: Mask) -> float:
    sure = _box(solid)
    if sure is None:
        return 1.0
    _, parts = cv2.connectedComponents((fine > FAINT).astype(np.uint8))
    seen = _box(np.isin(parts, np.unique(parts[solid])))
    return 0.0 if seen is None else 1 - _area(sure) / _area(seen)


def _attached(rgb: Pixels, alpha: Float) -> float:
    """Legs, stalks and cords that the matte left out: they begin at it and end in the frame."""
    height, width = alpha.shape
    scale = min(1.0, EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    solid = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > SOLID
    box = _box(solid)
    beside = ~_grown(solid, 3)
    if box is None or not beside.any():
        return 0.0
    difference = _difference(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), solid)
    bound = max(LEAST_DIFFERENCE, float(np.percentile(difference[beside], MOST_OF_THE_GROUND)))
    things = ((difference > bound) | solid).astype(np.uint8)
    # Gaps of a pixel are noise.
    things = cv2.morphologyEx(things, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    things[solid] = 0
    count, parts, stats, _ = cv2.connectedComponentsWithStats(things)
    touching = np.unique(parts[_grown(solid, 2)])
    length = max(box[1] - box[0], box[3] - box[2])
    reach = 0
    for part in range(1, count):
        left, top, wide, high, pixels = (int(value) for value in stats[part])
        inside = left >= 2 and top >= 2 and left + wide <= size[0] - 2 and top + high <= size[1] - 2
        if part in touching and inside and pixels >= LEAST_PIXELS:
            beyond = (box[0] - top, top + high - box[1], box[2] - left, left + wide - box[3])
            reach = max(reach, *beyond)
    return reach / length


def _difference(lab: Pixels, solid: Mask) -> Float:
    """[h, w]: how far colours are from the ground's around them, the subject left out."""
    known = (~_grown(solid, 2)).astype(np.float32)
    window = (2 * GROUND + 1, 2 * GROUND + 1)
    weight = cv2.blur(known, window)[..., None]
    around = cv2.blur(lab * known[..., None], window) / np.maximum(weight, 1e-3)
    filled = np.where(known[..., None] > 0, lab, around).astype(np.uint8)
    away = lab.astype(np.float32) - cv2.medianBlur(filled, GROUND)
    difference: Float = np.sqrt((away**2).sum(axis=2))
    return difference


def _grown(solid: Mask, pixels: int) -> Mask:
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    grown: Mask = cv2.dilate(solid.astype(np.uint8), kernel) > 0
    return grown


def _box(solid: Mask) -> tuple[int, int, int, int] | None:
    """First and last row and column of what is solid, the last ones excluded."""
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not rows.size:
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[1] - box[0]) * (box[3] - box[2])
