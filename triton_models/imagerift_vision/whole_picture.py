"""Pictures without one subject (landscapes, textures, crowds): lit and graded as a whole."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.fields import each_channel
from imagerift_vision.presets import Palette, Preset
from imagerift_vision.scene import finish
from imagerift_vision.scene.light import Lamp, cast, hang_lamp, pool_of_light

Float = NDArray[np.float32]

LUMA = finish.LUMA


@dataclass(frozen=True)
class Picture:
    """A whole picture."""

    rgb: NDArray[np.uint8]
    """[h, w, 3], sRGB."""
    interest: Float
    """[h, w]: draws the crop when the canvas has other proportions."""


def restyle(
    source: Picture, preset: Preset, seed: int, size: tuple[int, int], guard: Guard
) -> NDArray[np.uint8]:
    """Relight and grade a whole picture in the preset's look, [height, width, 3] sRGB.

    `size` is width and height. Raises VisionError `canceled` or `timeout` between steps.
    """
    width, height = size
    rng = np.random.default_rng([seed, 5, *preset.name.encode()])
    palette = preset.palettes[seed % len(preset.palettes)]
    lamp = hang_lamp(seed, rng)
    picture = _framed(source.rgb, source.interest, width, height)
    guard.check()
    picture = _clarity(_exposed(picture))
    picture = _relit(picture, preset, palette, lamp=lamp, seed=seed, rng=rng)
    guard.check()
    glow = finish.bloom_of(picture, preset.grade.bloom)
    picture = finish.screened(picture, glow)
    picture = finish.graded(picture, preset.grade)
    picture *= each_channel(finish.vignette(width, height, min(0.6, preset.grade.vignette + 0.1)))
    grain = finish.Grain(finish.seamless_grain(rng, max(size)), preset.grade.grain)
    picture += each_channel(grain.rows(0, height, 0, width))
    guard.check()
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _framed(rgb: NDArray[np.uint8], interest: Float, width: int, height: int) -> Float:
    """Crop to the canvas's proportions around what is of interest, and resize."""
    high, wide = rgb.shape[:2]
    scale = max(width / wide, height / high)
    crop_wide, crop_high = min(wide, round(width / scale)), min(high, round(height / scale))
    left = _best_start(interest.sum(axis=0), crop_wide)
    top = _best_start(interest.sum(axis=1), crop_high)
    part = rgb[top : top + crop_high, left : left + crop_wide]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    framed: Float = cv2.resize(part, (width, height), interpolation=way).astype(np.float32) / 255
    return framed


def _best_start(profile: Float, length: int) -> int:
    """Start of the window of `length` that holds most interest; the middle one when all tie."""
    sums = np.cumsum(np.concatenate([[0.0], profile]))
    starts = np.arange(profile.size - length + 1)
    held = sums[starts + length] - sums[starts]
    off_centre = np.abs(starts - (profile.size - length) / 2) / max(1, profile.size)
    return int(np.argmax(held - off_centre * (0.02 * sums[-1] + 1e-3)))


def _exposed(picture: Float) -> Float:
    """Open up a dark picture, so that the grade has tones to work on."""
    middle = float(np.clip(np.median(picture @ LUMA), 0.02, 0.98))
    gamma = float(np.clip(np.log(0.40) / np.log(middle), 0.62, 1.0))
    return np.asarray(picture**gamma, np.float32)


def _clarity(picture: Float) -> Float:
    """A little local contrast, which grading alone cannot give."""
    height, width = picture.shape[:2]
    luma = picture @ LUMA
    small = cv2.resize(
        luma, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA
    )
    base = cv2.GaussianBlur(small, (0, 0), 0.03 * max(small.shape))
    base = cv2.resize(base, (width, height), interpolation=cv2.INTER_LINEAR)
    clear: Float = np.clip(picture + 0.22 * (luma - base)[..., None], 0, 1)
    return clear


def _relit(
    picture: Float,
    preset: Preset,
    palette: Palette,
    *,
    lamp: Lamp,
    seed: int,
    rng: np.random.Generator,
) -> Float:
    """The preset's light and colours over the picture's own."""
    height, width = picture.shape[:2]
    wall = np.array(palette.wall, np.float32)
    warm = wall / max(0.05, float(wall.mean()))
    amount = 0.55 if preset.brush == "none" else 0.10
    pool = pool_of_light(lamp, width, height, 1.5)
    dark = preset.ambient < 0.6
    light: Float = np.float32(0.72 if dark else 0.92) + (0.52 if dark else 0.20) * pool
    gobo = preset.gobos[seed % len(preset.gobos)]
    if gobo in ("beam", "foliage"):
        light *= 1 - 0.18 * (1 - cast(gobo, lamp, rng, width, height))
    colour = np.array(preset.light, np.float32)
    lit = picture * light[..., None] * (1 + amount * (warm - 1)) * colour
    if preset.brush == "none":
        # A lamp in the frame: its colour flares over the picture from its side.
        flare = 0.32 * preset.spill / 0.16 * pool[..., None] ** 2
        lit = lit + flare * np.array(palette.accent, np.float32) * warm * 0.6
    if preset.prop == "tubes":
        lit = _duotone(lit, palette, lamp)
    screened: Float = np.clip(lit, 0, 1)
    return screened


def _duotone(picture: Float, palette: Palette, lamp: Lamp) -> Float:
    """Night under two neon colours, one from each side."""
    width = picture.shape[1]
    share = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :, None]
    if lamp.side > 0:
        share = np.float32(1) - share
    accent, second = np.array(palette.accent, np.float32), np.array(palette.second, np.float32)
    colour = accent + (second - accent) * share
    luma: Float = np.asarray(picture @ LUMA, np.float32)[..., None]
    night = picture * 0.50 + luma * colour * 0.72
    haze = np.array(palette.wall, np.float32) * (np.float32(0.45) - 0.45 * luma)
    return np.asarray(night + haze, np.float32)
