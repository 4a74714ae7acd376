"""A source at the proportions wanted, its subject whole."""

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from imagerift_contract.values import Framing
from numpy.typing import NDArray

from imagerift_vision.analysis import People
from imagerift_vision.control import Guard
from imagerift_vision.extension import extended
from imagerift_vision.faces import FaceFinder
from imagerift_vision.matting import SIDE, Matting
from imagerift_vision.reframing import Contents, detail_of, reframe
from imagerift_vision.requests import ModelVersion

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]

# The same proportions, but for rounding.
SAME_RATIO = 0.012


# A border is the picture itself: so much of its long edge out of focus, and darker.
BORDER_BLUR, BORDER_LIGHT = 0.05, 0.8


@dataclass(frozen=True)
class Framed:
    """A picture at other proportions."""

    rgb: Pixels
    """[h, w, 3], sRGB."""
    how: Framing = "whole"
    people: People | None = None
    """None where nobody looked for faces."""
    models: tuple[ModelVersion, ...] = ()
    """What had a hand in it."""
    window: tuple[int, int, int, int] | None = None
    """left, top, width, height of what is shown, in the source's pixels: it may reach beyond them.
    None where all of the source is shown."""


class Framer:
    """Finds subject and faces; what it found in the last picture is kept."""

    def __init__(self, matting: Matting, faces: FaceFinder) -> None:
        """The networks may be others' as well."""
        self._matting = matting
        self._faces = faces
        self._last: tuple[bytes, Contents, Float] | None = None

    def framed(self, rgb: Pixels, ratio: float, guard: Guard) -> Framed:
        """[h, w, 3] pixels at width / height `ratio`.

        Raises VisionError `canceled` or `timeout` between steps.
        """
        height, width = rgb.shape[:2]
        if is_ratio(width, height, ratio):
            return Framed(rgb)
        contents, interest = self._contents(rgb)
        window = reframe(contents, ratio)
        beyond = window.beyond(width, height)
        left, top = window.left + beyond[0], window.top + beyond[1]
        how: Framing = "cropped"
        if any(beyond) and window.bordered:
            how, rgb = "bordered", bordered(rgb, beyond)
        elif any(beyond):
            how = "extended"
            rgb = extended(rgb, cv2.resize(interest, (width, height)), beyond, guard)
        part = np.ascontiguousarray(rgb[top : top + window.height, left : left + window.width])
        people = People(len(contents.faces), contents.faces_in(window))
        shown = (window.left, window.top, window.width, window.height)
        return Framed(part, how, people, (self._matting.version, self._faces.version), shown)

    def _contents(self, rgb: Pixels) -> tuple[Contents, Float]:
        digest = hashlib.blake2b(rgb.tobytes(), digest_size=16).digest() + repr(rgb.shape).encode()
        if self._last is None or self._last[0] != digest:
            interest = self._matting.saliency(rgb)
            detail = detail_of(rgb, (SIDE, SIDE))
            found = self._faces.find(rgb)
            contents = Contents(interest, detail, found, rgb.shape[1], rgb.shape[0])
            self._last = (digest, contents, interest)
        return self._last[1], self._last[2]


def is_ratio(width: int, height: int, ratio: float) -> bool:
    """Whether a picture has these proportions, but for rounding."""
    return abs(width / height / ratio - 1) <= SAME_RATIO


def bordered(rgb: Pixels, beyond: tuple[int, int, int, int]) -> Pixels:
    """[h, w, 3] with `beyond` more pixels (left, top, right, bottom): itself, out of focus."""
    left, top, right, bottom = beyond
    height, width = rgb.shape[:2]
    high, wide = height + top + bottom, width + left + right
    scale = max(wide / width, high / height)
    size = (max(wide, round(width * scale)), max(high, round(height * scale)))
    # So soft a picture needs few pixels.
    small = cv2.resize(
        rgb, (max(1, size[0] // 8), max(1, size[1] // 8)), interpolation=cv2.INTER_AREA
    )
    soft = cv2.GaussianBlur(small, (0, 0), max(1.0, BORDER_BLUR * max(small.shape)))
    large = cv2.resize((soft * BORDER_LIGHT).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    x, y = (size[0] - wide) // 2, (size[1] - high) // 2
    canvas: Pixels = np.ascontiguousarray(large[y : y + high, x : x + wide])
    canvas[top : top + height, left : left + width] = rgb
    return canvas
