"""How the lamp's pattern falls on the subject: bent by its relief, and fainter than on the wall."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.fields import blurred
from imagerift_vision.scene.finish import LUMA
from imagerift_vision.scene.light import Lamp

Float = NDArray[np.float32]

# The long edge at which the relief is made: it is smooth.
RELIEF_EDGE = 256
# How high a subject stands above its outline, and how far that is from the wall, in lengths of the
# subject; what is bright in it counts as a little higher.
HEIGHT, BEFORE, BRIGHT = 0.22, 0.10, 0.12
# Of the pattern's contrast on the wall: a subject's own colours are what is sold.
CONTRAST = 0.35


def relief_of(colours: Float, alpha: Float) -> Float:
    """How far each place of a subject on its canvas is in front of the wall, [h, w] in pixels.

    It is as rounded as its outline, and bright parts stand out.
    """
    height, width = alpha.shape
    scale = min(1.0, RELIEF_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    solid = (cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
    length = float(np.sqrt(np.count_nonzero(solid)))
    if length == 0:
        return np.zeros_like(alpha)
    inward = cv2.distanceTransform(solid, cv2.DIST_L2, 5) / (0.3 * length)
    dome = np.sqrt(np.clip(inward, 0, 1))
    luma = cv2.transform(cv2.resize(colours, size, interpolation=cv2.INTER_AREA), LUMA[None])
    bright = luma - blurred(luma, 0.10 * length)
    raised = blurred(HEIGHT * dome + BRIGHT * bright * solid, 0.02 * length) + BEFORE
    relief: Float = cv2.resize(raised * (length / scale), (width, height))
    return relief


def falling_on(pattern: Float, colours: Float, alpha: Float, lamp: Lamp, amount: float) -> Float:
    """What the pattern makes of the light on the subject, [h, w] around 1.

    `pattern` is on the wall, 0 shaded to 1 lit, and cuts `amount` of the light there. The nearer to
    the camera, the further towards the lamp a place takes its light from.
    """
    height, width = alpha.shape
    relief = relief_of(colours, alpha)
    right, down = lamp.direction
    x = np.arange(width, dtype=np.float32)[None] + np.float32(right) * relief
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(down) * relief
    bent = cv2.remap(pattern, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    light = 1 - CONTRAST * amount * (1 - bent)
    # The subject stays as bright as it is in the mean.
    mean = float((light * alpha).sum() / max(1.0, float(alpha.sum())))
    return np.asarray(light / max(0.5, mean), np.float32)
