"""A subject's own colours at its edge, freed of the old backdrop, at any size of picture."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagerift_vision.control import Guard
from imagerift_vision.matting import bled, estimate_foreground

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# The long edge at which colours under the edge are estimated: they are smooth, floats are large.
COLOUR_EDGE = 1280
ROWS_AT_ONCE = 256
# From so much alpha on the source's own colours are shown, where its matte is estimated and where
# the alpha is its own.
ESTIMATED_FROM, OWN_FROM = (0.9, 1.0), (0.0, 0.25)


def freed(rgba: Pixels, alpha: Float, guard: Guard, *, own: bool) -> Pixels:
    """The subject's colours [h, w, 3], also where the old backdrop shines through its edge.

    `own` says that the alpha is the source's own: colours under it are the subject's already, and
    only what is transparent is to be filled in.
    """
    height, width = alpha.shape
    scale = min(1.0, COLOUR_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    thin = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) if scale < 1 else alpha
    if own:
        # Pillow weighs colours by their alpha.
        small = Image.fromarray(rgba).resize(size, Image.Resampling.BOX)
        estimate = bled(np.asarray(small)[..., :3], thin)
    else:
        rgb = np.ascontiguousarray(rgba[..., :3])
        small_rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        estimate = estimate_foreground(small_rgb, thin)
    guard.check()
    coarse = (estimate * 255 + 0.5).astype(np.uint8)
    if scale < 1:
        coarse = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    low, high = OWN_FROM if own else ESTIMATED_FROM
    for top in range(0, height, ROWS_AT_ONCE):
        guard.check()
        rows = slice(top, top + ROWS_AT_ONCE)
        sure = ((alpha[rows] - low) / (high - low)).clip(0, 1)[..., None]
        coarse[rows] = rgba[rows, :, :3] * sure + coarse[rows] * (1 - sure) + 0.5
    return coarse
