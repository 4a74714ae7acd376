"""A small picture of an output, for lists and galleries."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagerift_vision.provenance import Provenance

# Twice the 160 points that a gallery gives to a picture, for screens of twice the density.
LONG_EDGE = 320
QUALITY = 80


def thumbnail(pixels: NDArray[np.uint8], provenance: Provenance) -> bytes:
    """WebP of [H, W, 3] sRGB pixels, or [H, W, 4] with straight alpha, at most 320 pixels long.

    It has the output's provenance, and no colour profile: WebP without one is sRGB.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, LONG_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = _shrunk(pixels, size)
    out = io.BytesIO()
    Image.fromarray(small).save(out, "WEBP", quality=QUALITY, method=4, xmp=provenance.as_xmp())
    return out.getvalue()


def _shrunk(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if pixels.shape[2] == 3:
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    # What is transparent has no colour to give to its neighbours.
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
