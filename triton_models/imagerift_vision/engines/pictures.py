"""Pixels to files for an engine, and an engine's files to pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.encoding import on_white
from imagerift_vision.errors import JOB_ENDING, VisionError

Pixels = NDArray[np.uint8]

# A side of what is read; larger pictures are scaled down. No output has a longer one.
MAX_EDGE = 4096
# What is this much wider or higher than wanted is cut, not pressed.
TOLERANCE = 1.02


def png(rgb: Pixels) -> bytes:
    """A file of [h, w, 3], without any metadata."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1])


def mask_png(mask: Pixels) -> bytes:
    """A file of [h, w], 255 where the engine draws: white and transparent there, black elsewhere.

    So it reads alike by OpenAI's rule (drawn where it is transparent), by vLLM-Omni's (drawn where
    it is white) and in ComfyUI by either of a picture's alpha and its red.
    """
    return bytes(cv2.imencode(".png", cv2.merge([mask, mask, mask, 255 - mask]))[1])


def decoded(data: bytes, drawing: Drawing, decoding: DecodingProcess, guard: Guard) -> Pixels:
    """[h, w, 3] of a file of a stranger's, in the drawing's proportions; what is clear is white.

    Raises VisionError: `canceled`, `timeout`, `out_of_memory`, or `model_error`, since whatever
    else is wrong with it is no fault of the source's.
    """
    try:
        rgba = decoding.decode(data, MAX_EDGE, guard).rgba
    except VisionError as error:
        if error.code in JOB_ENDING or error.code == "out_of_memory":
            raise
        raise VisionError("model_error", "the engine's picture cannot be read") from None
    rgb = on_white(rgba)
    return rgb if drawing.mask is not None else _cut(rgb, drawing.width / drawing.height)


def _cut(rgb: Pixels, ratio: float) -> Pixels:
    """The middle of a picture, as wide for its height as wanted."""
    height, width = rgb.shape[:2]
    own = width / height
    if max(own / ratio, ratio / own) <= TOLERANCE:
        return rgb
    if own > ratio:
        wide = max(1, round(height * ratio))
        left = (width - wide) // 2
        return rgb[:, left : left + wide]
    high = max(1, round(width / ratio))
    top = (height - high) // 2
    return rgb[top : top + high]
