"""A source at the proportions wanted, its subject whole."""

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.extension import extended
from imagerift_vision.faces import FaceFinder
from imagerift_vision.matting import SIDE, Matting
from imagerift_vision.reframing import Contents, detail_of, reframe
from imagerift_vision.requests import ModelVersion

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]

# Colour under a transparent pixel is arbitrary; the picture is shown on white paper.
PAPER = 255.0
# The same proportions, but for rounding.
SAME_RATIO = 0.012


class Framer:
    """Finds subject and faces; what it found in the last picture is kept."""

    def __init__(self, matting: Matting, faces: FaceFinder) -> None:
        """The networks may be others' as well."""
        self._matting = matting
        self._faces = faces
        self._last: tuple[bytes, Contents, Float] | None = None

    def framed(
        self, rgb: Pixels, ratio: float, guard: Guard
    ) -> tuple[Pixels, tuple[ModelVersion, ...]]:
        """[h, w, 3] pixels at width / height `ratio`, and the models that had a hand in it.

        Raises VisionError `canceled` or `timeout` between steps.
        """
        height, width = rgb.shape[:2]
        if abs(width / height / ratio - 1) <= SAME_RATIO:
            return rgb, ()
        contents, interest = self._contents(rgb)
        window = reframe(contents, ratio)
        beyond = window.beyond(width, height)
        left, top = window.left + beyond[0], window.top + beyond[1]
        if any(beyond):
            rgb = extended(rgb, cv2.resize(interest, (width, height)), beyond, guard)
        part = np.ascontiguousarray(rgb[top : top + window.height, left : left + window.width])
        return part, (self._matting.version, self._faces.version)

    def _contents(self, rgb: Pixels) -> tuple[Contents, Float]:
        digest = hashlib.blake2b(rgb.tobytes(), digest_size=16).digest() + repr(rgb.shape).encode()
        if self._last is None or self._last[0] != digest:
            interest = self._matting.saliency(rgb)
            detail = detail_of(rgb, (SIDE, SIDE))
            found = self._faces.find(rgb)
            contents = Contents(interest, detail, found, rgb.shape[1], rgb.shape[0])
            self._last = (digest, contents, interest)
        return self._last[1], self._last[2]


def on_paper(rgba: Pixels) -> Pixels:
    """[h, w, 4] pixels shown on white."""
    alpha = rgba[..., 3:]
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha.astype(np.float32) / 255
    return (rgba[..., :3] * share + PAPER * (1 - share) + 0.5).astype(np.uint8)
