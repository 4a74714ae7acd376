"""Whether a finished picture shows the product's own pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.compositing.pasting import SOLID, STRIP_ROWS, View
from imagerift_vision.control import Guard
from imagerift_vision.subject_proof import SubjectProof

Pixels = NDArray[np.uint8]

SUBJECT_FROM = 0.5


def proven(picture: Pixels, view: View, guard: Guard) -> SubjectProof:
    """How the product in [h, w, 3] pixels compares with its source, seen at the same place.

    Compared is what lies so far inside the solid matte that nothing of the edge is in it. Raises
    VisionError `canceled` or `timeout` between strips of rows.
    """
    height, width = picture.shape[:2]
    solid = np.zeros((height, width), np.uint8)
    covered = 0
    for top in range(0, height, STRIP_ROWS):
        guard.check()
        alpha = view.alpha(top, min(STRIP_ROWS, height - top))
        solid[top : top + STRIP_ROWS] = alpha >= SOLID
        covered += int(np.count_nonzero(alpha >= SUBJECT_FROM))
    # What the canvas' own edge cuts goes on beyond it.
    size = 2 * view.reach + 1
    inside = cv2.erode(
        solid, np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1
    )
    original = view.original()
    largest = 0
    for top in range(0, height, STRIP_ROWS):
        guard.check()
        rows = picture[top : top + STRIP_ROWS]
        here = inside[top : top + STRIP_ROWS] > 0
        if here.any():
            wanted = original.rows(top, len(rows), cv2.INTER_CUBIC)
            largest = max(largest, int(cv2.absdiff(rows, wanted)[here].max()))
    return SubjectProof(float(largest), int(np.count_nonzero(inside)) / max(1, covered))
