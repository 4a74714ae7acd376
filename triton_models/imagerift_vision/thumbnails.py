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
    """WebP of [H, W, 3] sRGB pixels, at most 320 pixels long, with the output's provenance.

    It has no colour profile: WebP without one is sRGB.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, LONG_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    out = io.BytesIO()
    Image.fromarray(small).save(out, "WEBP", quality=QUALITY, method=4, xmp=provenance.as_xmp())
    return out.getvalue()
