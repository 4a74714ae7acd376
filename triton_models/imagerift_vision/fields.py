"""Arithmetic of whole pictures, [h, w] and [h, w, 3] of 32-bit floats.

OpenCV goes through a picture at once where numpy is slow: at repeating along the short last axis.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.colours import Colour

Float = NDArray[np.float32]

# A blur this broad, in pixels, is made at a lower resolution.
BROAD = 4.0


def each_channel(field: Float) -> Float:
    """[h, w] as [h, w, 3]."""
    return np.asarray(cv2.merge((field, field, field)), np.float32)


def in_colour(field: Float, colour: Colour) -> Float:
    """[h, w] times a colour."""
    return np.asarray(cv2.merge([field * np.float32(part) for part in colour]), np.float32)


def mixed(share: Float, low: Colour, high: Colour) -> Float:
    """From one colour, where the share is 0, to another, where it is 1."""
    planes = [
        share * np.float32(end - start) + np.float32(start)
        for start, end in zip(low, high, strict=True)
    ]
    return np.asarray(cv2.merge(planes), np.float32)


def blurred(field: Float, sigma: float, down: float | None = None) -> Float:
    """A Gaussian blur of that many pixels, another one `down` where that is given.

    A broad one has nothing fine left: it is made of fewer pixels.
    """
    down = sigma if down is None else down
    shrink = int(min(sigma, down) / BROAD)
    if shrink < 2:
        sigmas = max(0.3, sigma), max(0.3, down)
        return np.asarray(cv2.GaussianBlur(field, (0, 0), sigmas[0], sigmaY=sigmas[1]), np.float32)
    height, width = field.shape[:2]
    size = (math.ceil(width / shrink), math.ceil(height / shrink))
    small = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
    across, along = sigma * size[0] / width, down * size[1] / height
    small = cv2.GaussianBlur(small, (0, 0), across, sigmaY=along, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(small, (width, height)), np.float32)
