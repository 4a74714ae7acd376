"""Bloom, film grade, vignette and grain: what the lens and the lab add."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.fields import blurred, in_colour
from imagerift_vision.presets import Grade

Float = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Pixels a side of a piece of grain; a larger picture has several, each row of them shifted.
GRAIN_TILE, GRAIN_SHIFT = 1024, 379


def bloom_of(picture: Float, amount: float) -> Float:
    """The glow of bright parts, [h, w, 3], to be screened over the picture."""
    height, width = picture.shape[:2]
    small = cv2.resize(
        picture, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA
    )
    bright = np.clip(small - 0.62, 0, 1) * 1.9
    sigma = max(width, height) / 4
    glow = 0.6 * blurred(bright, 0.012 * sigma * 2)
    glow += 0.7 * blurred(bright, 0.045 * sigma * 2)
    wide: Float = cv2.resize(glow * amount, (width, height), interpolation=cv2.INTER_LINEAR)
    return wide


def graded(picture: Float, grade: Grade) -> Float:
    """Saturation, split tone, S curve and lifted blacks, per pixel."""
    luma = cv2.transform(picture, LUMA[None])
    # With the luma l: l + (picture - l) saturation + (1 - l)^2 shadows + l^2 highlights.
    shadows, highlights = np.array((grade.shadows, grade.highlights), np.float32)
    linear = grade.saturation * np.eye(3, dtype=np.float32)
    linear += np.outer(1 - grade.saturation - 2 * shadows, LUMA)
    out = cv2.transform(picture, np.column_stack([linear, shadows]))
    if (shadows + highlights).any():
        luma *= luma
        red, green, blue = (float(part) for part in shadows + highlights)
        out += in_colour(luma, (red, green, blue))
    np.clip(out, 0, 1, out=out)
    if grade.contrast != 1:
        # An S curve that leaves black, middle grey and white where they are.
        bend = 2 * out - 1
        flat = np.abs(bend)
        np.subtract(1, flat, out=flat)
        bend *= flat
        bend *= (grade.contrast - 1) * 0.575
        out += bend
    if grade.lift:
        out *= 1 - grade.lift * 0.75
        out += grade.lift * 0.55
    return np.asarray(np.clip(out, 0, 1, out=out), np.float32)


def screened(picture: Float, glow: Float) -> Float:
    """Light added as on film: the sum never passes white."""
    light = 1 - picture
    light *= np.clip(glow, 0, 1)
    light += picture
    return light


def vignette(width: int, height: int, amount: float) -> Float:
    """Multiplier [height, width], 1 in the middle."""
    xs = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5)[None]
    ys = ((np.arange(height, dtype=np.float32) + 0.5) / height - 0.5)[:, None]
    distance = np.sqrt(xs * xs + ys * ys)
    falloff = cv2.pow(np.clip(distance - 0.22, 0, 1), 1.35)
    falloff *= -1.5 * amount
    falloff += 1
    return np.asarray(falloff, np.float32)


class Grain:
    """Grain around 0, a little coarser than a pixel as on film; it grows with the picture."""

    def __init__(self, tile: Float, sigma: float) -> None:
        """`tile` is `seamless_grain`, `sigma` the deviation that it is to have."""
        self._tile = tile * np.float32(sigma)

    def rows(self, top: int, count: int, left: int, width: int) -> Float:
        """[count, width]: the picture's rows from `top` on, its columns from `left` on."""
        side = len(self._tile)
        columns = np.arange(left, left + width)
        parts = []
        for start in range(top - top % side, top + count, side):
            rows = slice(max(top, start) - start, min(top + count, start + side) - start)
            shifted = columns + start // side * GRAIN_SHIFT
            parts.append(np.take(self._tile[rows], shifted, axis=1, mode="wrap"))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def seamless_grain(rng: np.random.Generator, longest: int) -> Float:
    """A tile of grain of deviation 1, of a picture whose longer side has so many pixels."""
    side = min(GRAIN_TILE, longest)
    noise = rng.standard_normal((side, side), dtype=np.float32)
    scale = longest / 1024
    # Blurred white noise of standard deviation 1 has 1 / (2 sigma sqrt(pi)) left.
    blur = 0.45 * scale if scale > 1.01 else 0.7
    margin = int(np.ceil(4 * blur))
    wide = cv2.copyMakeBorder(noise, margin, margin, margin, margin, cv2.BORDER_WRAP)
    soft = cv2.GaussianBlur(wide, (0, 0), blur)[margin:-margin, margin:-margin]
    soft = soft * np.float32(2 * blur * np.sqrt(np.pi))
    return soft if scale > 1.01 else 0.6 * noise + 0.6 * soft
