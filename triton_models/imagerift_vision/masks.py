"""A source under the caller's own matte."""

from dataclasses import replace

import cv2
import numpy as np
from imagerift_contract.values import MASK_TOLERANCE

from imagerift_vision.decoding import Source
from imagerift_vision.errors import VisionError


def masked(source: Source, mask: Source) -> Source:
    """The source with the caller's own matte in its alpha.

    The matte is the mask's alpha where it has one, else its light: white is the subject.
    Raises VisionError `invalid_request` for a mask of other proportions than the source's.
    """
    ratio = mask.width * source.height / (mask.height * source.width)
    if abs(ratio - 1) > MASK_TOLERANCE:
        raise VisionError(
            "invalid_request",
            f"the mask has {mask.width} x {mask.height} pixels, the source {source.width} x "
            f"{source.height}: other proportions",
        )
    given = mask.rgba[..., 3]
    if int(given.min()) == 255:
        given = cv2.cvtColor(mask.rgba, cv2.COLOR_RGBA2GRAY)
    height, width = source.rgba.shape[:2]
    if given.shape != (height, width):
        shrinks = given.shape[1] > width
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        given = cv2.resize(given, (width, height), interpolation=way)
    rgba = source.rgba.copy()
    # What is transparent in the source has no colours of its own.
    rgba[..., 3] = np.minimum(rgba[..., 3], given)
    return replace(source, rgba=rgba)
