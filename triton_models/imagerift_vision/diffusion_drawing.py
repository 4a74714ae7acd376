"""What a diffusion network is asked to draw, and the last look at each picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.errors import VisionError

Pixels = NDArray[np.uint8]

# A drawn picture has more contrast than this somewhere; without noise in the latents it has none.
LEAST_RANGE = 2


@dataclass(frozen=True)
class Drawing:
    """One picture, but for its seed."""

    task: Task
    prompt: str
    width: int
    height: int
    picture: Pixels | None = None
    """[height, width, 3]: drawn over (`img2img`, `inpaint`) or looked at (`edit`)."""
    mask: Pixels | None = None
    """[height, width]: 255 where `inpaint` draws, 0 where the picture stays as it is."""


def finished(drawn: NDArray[np.float32], drawing: Drawing) -> Pixels | VisionError:
    """The picture to give out, of the size wanted, from [h, w, 3] of 0 to 1; or what is wrong.

    What the mask leaves out is the picture's own, to the bit.
    """
    if not np.isfinite(drawn).all():
        return VisionError("model_error", "the model drew no numbers")
    pixels = (np.clip(drawn, 0, 1) * 255 + 0.5).astype(np.uint8)
    if int(np.ptp(pixels.reshape(-1, 3), axis=0).max()) < LEAST_RANGE:
        return VisionError("model_error", "the model drew one flat colour")
    size = (drawing.width, drawing.height)
    if pixels.shape[1::-1] != size:
        way = cv2.INTER_AREA if pixels.shape[1] > drawing.width else cv2.INTER_LANCZOS4
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
    if drawing.mask is not None and drawing.picture is not None:
        pixels = np.where(drawing.mask[..., None] > 0, pixels, drawing.picture)
    return pixels
