"""A product's own pixels, laid over a background at their own resolution."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.scene.placement import Placement, Subject

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

STRIP_ROWS = 256
# Scaled down further than this, pixels are averaged first: resampling alone would alias.
AVERAGED_BELOW = 0.75
# From here on nothing of the background shines through: a 512th is less than a step of 8 bits.
SOLID = 1 - 1 / 512
# The resampling looks at so many pixels of what it resamples on either side.
REACH = 2


@dataclass(frozen=True)
class Product:
    """A cut-out subject in 8 bits, in its source's coordinates."""

    original: Pixels
    """[h, w, 3]: the source as it came."""
    colours: Pixels
    """[h, w, 3]: the same, freed of the old backdrop where the matte is not solid."""
    alpha: Float
    """[h, w], 0 to 1."""
    cut: bool
    """Whether the frame of the source cuts it: then it goes on to the canvas' own edge."""

    @classmethod
    def of(cls, subject: Subject, original: Pixels) -> "Product":
        """The subject of a source, whose part of that is `original`."""
        colours = (subject.colours * 255 + 0.5).astype(np.uint8)
        return cls(original, colours, subject.alpha, bool(subject.touches))


class Lens:
    """A picture in the source's coordinates as the canvas shows it, a strip of rows at a time."""

    def __init__(
        self, pixels: Pixels | Float, placement: Placement, width: int, *, endless: bool
    ) -> None:
        """`endless`: what lies beyond the picture repeats its border; else it is 0."""
        self._pixels, self._placement, self._width = pixels, placement, width
        self._scale = placement.scale
        self._border = cv2.BORDER_REPLICATE if endless else cv2.BORDER_CONSTANT
        if self._scale < AVERAGED_BELOW:
            high, wide = pixels.shape[:2]
            size = (max(1, round(wide * self._scale)), max(1, round(high * self._scale)))
            self._pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            self._scale = 1.0

    def rows(self, top: int, count: int, way: int) -> NDArray[np.generic]:
        """The `count` rows of the canvas from `top` on, resampled in OpenCV's way."""
        left, down = self._placement.left, self._placement.top - top
        matrix = np.array([[self._scale, 0, left], [0, self._scale, down]], np.float32)
        size = (self._width, count)
        return cv2.warpAffine(self._pixels, matrix, size, flags=way, borderMode=self._border)


class View:
    """A product on a canvas of some width."""

    def __init__(self, product: Product, placement: Placement, width: int) -> None:
        """Nothing is seen yet."""
        self._product, self._placement, self._width = product, placement, width
        self._alpha = self._lens(product.alpha, endless=product.cut)

    @property
    def reach(self) -> int:
        """How far inside what is solid a pixel has no part of what is not, in canvas' pixels."""
        return REACH * max(1, int(np.ceil(self._placement.scale))) + 1

    def alpha(self, top: int, count: int) -> Float:
        """[count, width], 0 to 1."""
        shown: Float = self._alpha.rows(top, count, cv2.INTER_LINEAR).astype(np.float32)
        return shown.clip(0, 1)

    def colours(self) -> Lens:
        """What is laid over the background."""
        return self._lens(self._product.colours, endless=True)

    def original(self) -> Lens:
        """The source itself, at the same place."""
        return self._lens(self._product.original, endless=True)

    def _lens(self, pixels: Pixels | Float, *, endless: bool) -> Lens:
        return Lens(pixels, self._placement, self._width, endless=endless)


def pasted(background: Pixels, view: View, guard: Guard) -> Pixels:
    """[h, w, 3] with the product over it.

    Where that is solid its colours are laid down as they are; no light and no grade touches them.
    Raises VisionError `canceled` or `timeout` between strips of rows.
    """
    colours = view.colours()
    out = np.empty_like(background)
    for top in range(0, len(background), STRIP_ROWS):
        guard.check()
        behind = background[top : top + STRIP_ROWS]
        share = view.alpha(top, len(behind))[..., None]
        front = colours.rows(top, len(behind), cv2.INTER_CUBIC)
        back = behind.astype(np.float32)
        mixed = (back + (front.astype(np.float32) - back) * share + 0.5).astype(np.uint8)
        out[top : top + STRIP_ROWS] = np.where(share >= SOLID, front, mixed)
    return out
