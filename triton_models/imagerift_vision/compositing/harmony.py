"""A drawn background brought towards the light that its product was set in, within limits.

Only what is broad is changed, and only the background: the product's colours are what is sold.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Light is compared over this share of the long edge.
BROAD = 1 / 12
# What is so broad needs few pixels.
LONG_EDGE = 128
MOST_STOPS = 0.25
"""In photographic stops: a factor of 2 is one."""
MOST_DIFFERENCE = 6.0
"""CIE76, the distance in L*a*b*."""
# Light as numbers that add up, roughly; both pictures go through it and back.
GAMMA = 2.2
DARKEST = 1e-3


def harmonised(drawn: Pixels, lit: Pixels, alpha: Float) -> Pixels:
    """`drawn`, [h, w, 3], lit near the product as `lit` is: the set that the product stands in.

    `alpha` [h, w] is the product's matte. Nothing is changed by more than a quarter of a stop or
    six steps of CIE76, and what is narrower than a twelfth of the picture keeps its contrast.
    """
    gain = _within_limits(*_broad_light(drawn, lit, alpha))
    height, width = drawn.shape[:2]
    wide = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    pixels = drawn.astype(np.float32) * wide ** np.float32(1 / GAMMA)
    return (np.clip(pixels, 0, 255) + 0.5).astype(np.uint8)


def _broad_light(drawn: Pixels, lit: Pixels, alpha: Float) -> tuple[Float, Float]:
    """The broad light of the drawn background, and the gain that would make it the set's.

    Both are [small h, small w, 3]; the gain fades with the distance from the product.
    """
    height, width = alpha.shape
    scale = min(1.0, LONG_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    matte = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    sigma = max(1.0, BROAD * max(size))
    # The product's own colours say nothing of the light around it.
    free = (1 - matte)[..., None]
    share = cv2.GaussianBlur(free, (0, 0), sigma)[..., None] + np.float32(1e-4)

    def broad(pixels: Pixels) -> Float:
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        light: Float = cv2.GaussianBlur(small**GAMMA * free, (0, 0), sigma) / share
        return np.maximum(light, DARKEST)

    have, wanted = broad(drawn), broad(lit)
    near = cv2.GaussianBlur(matte, (0, 0), 2 * sigma)
    near = (near / max(1e-6, float(near.max())))[..., None]
    return have, ((wanted / have) ** near).astype(np.float32)


def _within_limits(light: Float, gain: Float) -> Float:
    most = np.float32(2**MOST_STOPS)
    gain = np.clip(gain, 1 / most, most)
    away = np.linalg.norm(_lab(light * gain) - _lab(light), axis=2, keepdims=True)
    # The colour's way is nearly straight over so short a distance.
    return gain ** np.minimum(1, MOST_DIFFERENCE / np.maximum(away, 1e-6))


def _lab(light: Float) -> Float:
    shown = np.clip(light, 0, 1) ** np.float32(1 / GAMMA)
    lab: Float = cv2.cvtColor(shown.astype(np.float32), cv2.COLOR_RGB2LAB)
    return lab
