"""How far a matte is from the reference matte; both are [h, w] arrays from 0 to 1."""

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

# A cut-out is of no use below this soft IoU, where a fifth of the thing is missing or as much of
# the old scene came along; or below this overlap of the extents, where legs or a stalk are gone.
LEAST_IOU, LEAST_EXTENT = 0.8, 0.7
# What counts for the extent.
SOLID_FROM = 0.5
# The scale at which Rhemann et al. (2009) compare gradients, in pixels.
GRADIENT_SCALE = 1.4


def soft_iou(matte: Float, reference: Float) -> float:
    """Intersection over union of two soft mattes, 0 to 1; 1 where both are empty."""
    union = float(np.maximum(matte, reference).sum(dtype=np.float64))
    if union == 0:
        return 1.0
    return float(np.minimum(matte, reference).sum(dtype=np.float64)) / union


def extent_overlap(matte: Float, reference: Float) -> float:
    """Intersection over union of the upright boxes around both, 0 to 1.

    Thin parts weigh little in an area, and as much as a person sees in this.
    """
    first, second = _box(matte), _box(reference)
    if first is None or second is None:
        return float(first is second)
    tall = min(first[1], second[1]) - max(first[0], second[0])
    wide = min(first[3], second[3]) - max(first[2], second[2])
    both = max(0, tall) * max(0, wide)
    areas = [(box[1] - box[0]) * (box[3] - box[2]) for box in (first, second)]
    return both / (sum(areas) - both)


def sum_of_differences(matte: Float, reference: Float) -> float:
    """The sum of absolute differences (SAD), in thousands of pixels."""
    return float(np.abs(matte - reference).sum(dtype=np.float64)) / 1000


def gradient_error(matte: Float, reference: Float) -> float:
    """The squared difference of both gradients' magnitudes (Rhemann et al. 2009), in thousands."""
    difference = _gradient(matte) - _gradient(reference)
    return float((difference**2).sum(dtype=np.float64)) / 1000


def _box(matte: Float) -> tuple[int, int, int, int] | None:
    """First and last row and column of what is solid; None where nothing is."""
    solid = matte > SOLID_FROM
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not rows.size:
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _gradient(matte: Float) -> Float:
    reach = int(np.ceil(4 * GRADIENT_SCALE))
    steps = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-(steps**2) / (2 * GRADIENT_SCALE**2))
    bell /= bell.sum()
    # Its response to a slope of 1 is 1.
    slope = steps * bell / (steps**2 * bell).sum()
    across = cv2.sepFilter2D(matte, cv2.CV_32F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    along = cv2.sepFilter2D(matte, cv2.CV_32F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    magnitude: Float = np.hypot(across, along)
    return magnitude
