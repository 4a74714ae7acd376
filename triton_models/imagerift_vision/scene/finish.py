"""Bloom, film grade, vignette and grain: what the lens and the lab add."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.presets import Grade

Float = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def bloom_of(picture: Float, amount: float) -> Float:
    """The glow of bright parts, [h, w, 3], to be screened over the picture."""
    height, width = picture.shape[:2]
    small = cv2.resize(
        picture, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA
    )
    bright = np.clip(small - 0.62, 0, 1) * 1.9
    sigma = max(width, height) / 4
    glow = 0.6 * cv2.GaussianBlur(bright, (0, 0), 0.012 * sigma * 2)
    glow += 0.7 * cv2.GaussianBlur(bright, (0, 0), 0.045 * sigma * 2)
    wide: Float = cv2.resize(glow * amount, (width, height), interpolation=cv2.INTER_LINEAR)
    return wide


def graded(picture: Float, grade: Grade) -> Float:
    """Saturation, split tone, S curve and lifted blacks, per pixel."""
    luma = (picture @ LUMA)[..., None]
    out = luma + (picture - luma) * grade.saturation
    out = out + (1 - luma) ** 2 * np.array(grade.shadows, np.float32)
    out = out + luma**2 * np.array(grade.highlights, np.float32)
    out = np.clip(out, 0, 1)
    # An S curve that leaves black, middle grey and white where they are.
    out = out + (grade.contrast - 1) * (out - 0.5) * (1 - np.abs(2 * out - 1)) * 1.15
    lifted: Float = out * (1 - grade.lift * 0.75) + grade.lift * 0.55
    return np.clip(lifted, 0, 1)


def screened(picture: Float, glow: Float) -> Float:
    """Light added as on film: the sum never passes white."""
    one = np.float32(1)
    return one - (one - picture) * (one - np.clip(glow, 0, 1))


def vignette(width: int, height: int, amount: float) -> Float:
    """Multiplier [height, width], 1 in the middle."""
    xs = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5)[None]
    ys = ((np.arange(height, dtype=np.float32) + 0.5) / height - 0.5)[:, None]
    distance = np.hypot(xs, ys)
    falloff: Float = 1 - amount * np.clip(distance - 0.22, 0, 1) ** 1.35 * 1.5
    return falloff


def film_grain(
    rng: np.random.Generator, width: int, height: int, sigma: float, full_height: int = 0
) -> Float:
    """Grain [height, width] around 0, a little coarser than a pixel as on film.

    `full_height` is the canvas's when this is a strip of it: grain grows with the picture.
    """
    noise = rng.standard_normal((height, width), dtype=np.float32)
    scale = max(width, full_height or height) / 1024
    # Blurred white noise of standard deviation 1 has 1 / (2 sigma sqrt(pi)) left.
    blur = 0.45 * scale if scale > 1.01 else 0.7
    soft = cv2.GaussianBlur(noise, (0, 0), blur) * (2 * blur * np.sqrt(np.pi))
    noise = (
        soft.astype(np.float32) if scale > 1.01 else (0.6 * noise + 0.6 * soft).astype(np.float32)
    )
    return noise * sigma
