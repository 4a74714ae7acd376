"""Noise, tone and sharpness: a better photograph of the same thing, never another one."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Second difference in both directions; Immerkaer (1996) reads the noise from it.
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
NOISE_GAIN = 6.0
# Below this standard deviation (8-bit steps) noise is not seen.
VISIBLE_NOISE = 1.2
STRONGEST_DENOISE = 9.0
# Above so many pixels non-local means takes longer than it is worth: an edge-keeping blur does.
MOST_PIXELS_FOR_MEANS = 2_500_000
STRIP_ROWS = 256
CONTEXT_ROWS = 24

# Limits of the tone correction: a dusk stays a dusk.
DEEPEST_BLACK = 12.0
BLACK_OF_MIDDLE = 0.12
DIMMEST_WHITE = 222.0
GAMMA_RANGE = (0.90, 1.08)
VIBRANCE = 0.12
CLARITY = 0.12
SHARPEN = 0.38


def noise_of(rgb: Pixels) -> float:
    """Standard deviation of the noise in 8-bit steps, from the calm half of [H, W, 3] pixels."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    bent = np.abs(cv2.filter2D(grey, -1, NOISE_KERNEL))
    slope = cv2.GaussianBlur(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), (0, 0), 4)
    calm = slope <= np.median(slope)
    # The mean of the absolute value of a normal variable is sqrt(2 / pi) of its deviation.
    return float(bent[calm].mean() / NOISE_GAIN * np.sqrt(np.pi / 2))


def denoised(rgb: Pixels, noise: float, guard: Guard) -> Pixels:
    """Take visible noise out (Buades et al. 2005: non-local means); fine texture stays.

    Raises VisionError `canceled` or `timeout` between strips.
    """
    if noise < VISIBLE_NOISE:
        return rgb
    strength = min(STRONGEST_DENOISE, noise)
    height, width = rgb.shape[:2]
    by_means = height * width <= MOST_PIXELS_FOR_MEANS
    out = np.empty_like(rgb)
    for top, bottom, first, last in _strips(height):
        guard.check()
        strip = np.ascontiguousarray(rgb[first:last])
        if by_means:
            lab = cv2.cvtColor(strip, cv2.COLOR_RGB2LAB)
            # Faint noise is hard to tell from texture: gentle there, thorough where it is plain.
            reach = strength * min(1.15, 0.45 + 0.16 * strength)
            light = cv2.fastNlMeansDenoising(lab[..., 0], None, reach, 5, 13)
            colour = cv2.bilateralFilter(lab, 7, 5 * strength, 3)
            lab = np.dstack([light, colour[..., 1:]])
            clean = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        else:
            clean = cv2.bilateralFilter(strip, 5, 3 * strength, 2)
        out[top:bottom] = clean[top - first : bottom - first]
    return out


def toned(rgb: Pixels, guard: Guard) -> Pixels:
    """Black and white points, a little gamma, local contrast and vibrance, all within limits.

    Raises VisionError `canceled` or `timeout` between strips.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, 512 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    deepest = min(DEEPEST_BLACK, BLACK_OF_MIDDLE * float(np.median(grey)))
    black = min(float(np.percentile(grey, 0.3)), deepest)
    white = max(float(np.percentile(grey, 99.7)), DIMMEST_WHITE)
    middle = float(np.median((grey - black) / (white - black)))
    gamma = float(np.clip(np.log(0.46) / np.log(np.clip(middle, 0.05, 0.95)), *GAMMA_RANGE))
    steps = np.clip((np.arange(256, dtype=np.float32) - black) / (white - black), 0, 1)
    curve = np.clip(steps**gamma * 255 + 0.5, 0, 255).astype(np.uint8)
    base = cv2.GaussianBlur(cv2.LUT(grey.astype(np.uint8), curve), (0, 0), 0.03 * max(size))
    out = np.empty_like(rgb)
    for top, bottom, _, _ in _strips(height):
        guard.check()
        strip = cv2.LUT(rgb[top:bottom], curve).astype(np.float32)
        around = _rows_of(base, top, bottom, height, width)
        luma = cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY)
        # Least in the deep tones, where noise lives, and in the lights, which would burn out.
        room = np.clip(4 * luma / 255 * (1 - luma / 255), 0, 1)
        strip += (CLARITY * room * (luma - around))[..., None]
        spread = strip.max(axis=2) - strip.min(axis=2)
        # Vibrance: dull colours gain, vivid ones and skin hardly.
        gain = 1 + VIBRANCE * (1 - np.clip(spread / 160, 0, 1))
        strip = luma[..., None] + (strip - luma[..., None]) * gain[..., None]
        out[top:bottom] = np.clip(strip + 0.5, 0, 255).astype(np.uint8)
    return out


def sharpened(rgb: Pixels, noise: float, guard: Guard) -> Pixels:
    """Unsharp mask on brightness that leaves noise alone and draws no halo.

    `noise` is what is left of it, in 8-bit steps: smaller differences are not amplified.
    Raises VisionError `canceled` or `timeout` between strips.
    """
    height, width = rgb.shape[:2]
    sigma = 0.8 * max(1.0, max(height, width) / 1600)
    core = 1.0 + 2.0 * noise
    reach = np.ones((3, 3), np.uint8)
    out = np.empty_like(rgb)
    for top, bottom, first, last in _strips(height):
        guard.check()
        luma = cv2.cvtColor(rgb[first:last], cv2.COLOR_RGB2GRAY).astype(np.float32)
        fine = luma - cv2.GaussianBlur(luma, (0, 0), sigma)
        edge = np.sign(fine) * np.maximum(np.abs(fine) - core, 0)
        aim = luma + 2 * SHARPEN * edge
        aim = np.clip(aim, cv2.erode(luma, reach) - 5, cv2.dilate(luma, reach) + 5)
        change = (aim - luma)[top - first : bottom - first]
        sharp = rgb[top:bottom].astype(np.float32) + change[..., None]
        out[top:bottom] = np.clip(sharp + 0.5, 0, 255).astype(np.uint8)
    return out


def _strips(height: int) -> list[tuple[int, int, int, int]]:
    """Rows to write (from, to) and rows to look at (from, to)."""
    return [
        (
            top,
            min(top + STRIP_ROWS, height),
            max(0, top - CONTEXT_ROWS),
            min(height, top + STRIP_ROWS + CONTEXT_ROWS),
        )
        for top in range(0, height, STRIP_ROWS)
    ]


def _rows_of(small: Pixels, top: int, bottom: int, height: int, width: int) -> Float:
    """Rows `top` to `bottom` of `small` enlarged to height x width."""
    scale_x, scale_y = width / small.shape[1], height / small.shape[0]
    matrix = np.array(
        [[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2 - top]], np.float32
    )
    rows: Float = cv2.warpAffine(
        small.astype(np.float32),
        matrix,
        (width, bottom - top),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return rows
