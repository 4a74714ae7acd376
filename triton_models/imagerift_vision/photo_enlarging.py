"""Photographs at a larger size: by the slot's own network, never by the packaged one.

That one is for drawings; without another, resampling alone keeps a photograph's texture.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.networks import in_use
from imagerift_vision.requests import ModelVersion
from imagerift_vision.superres import SuperResolver
from imagerift_vision.weights.shelf import Shelf

Pixels = NDArray[np.uint8]

# Enlarged less than this, plain resampling does as well.
FROM_SCALE = 1.25
MOST_PIXELS = 2_000_000


class PhotoEnlarger:
    """Brings photographs to a size."""

    def __init__(self, threads: int, shelf: Shelf | None = None) -> None:
        """Load the slot's network, where it has one of its own.

        Raises ValueError where that cannot be used.
        """
        own = in_use("upscaling", shelf)
        self._resolver = None if own is None else SuperResolver(threads, shelf)

    def network_for(self, have: tuple[int, int], wanted: tuple[int, int]) -> ModelVersion | None:
        """The network that enlarges from one width and height to another; None: resampling."""
        pays = wanted[0] >= have[0] * FROM_SCALE and have[0] * have[1] <= MOST_PIXELS
        return self._resolver.version if self._resolver is not None and pays else None

    def sized(self, rgb: Pixels, size: tuple[int, int], guard: Guard) -> Pixels:
        """[h, w, 3] pixels at that width and height.

        Raises VisionError `canceled` or `timeout` between tiles.
        """
        guard.check()
        have = (rgb.shape[1], rgb.shape[0])
        if self._resolver is not None and self.network_for(have, size) is not None:
            rgb = self._resolver.enlarge_pixels(rgb, guard)
        if rgb.shape[1::-1] == size:
            return rgb
        way = cv2.INTER_AREA if rgb.shape[1] > size[0] else cv2.INTER_LANCZOS4
        return np.asarray(cv2.resize(rgb, size, interpolation=way), np.uint8)
