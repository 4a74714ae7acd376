"""One picture of the studio: subject, preset, seed and size in, pixels out."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.presets import Palette, Preset
from imagerift_vision.scene import backdrop, finish, grounding
from imagerift_vision.scene.light import Lamp, hang_lamp
from imagerift_vision.scene.placement import (
    Grounding,
    Placement,
    Subject,
    Warp,
    place,
    warp,
)

Float = NDArray[np.float32]

# The set is smooth: above this long edge it is built smaller and scaled up.
SET_EDGE = 1024
STRIP_ROWS = 256
# How much of a coloured light the subject shows: its own colours are what is sold.
ON_SUBJECT = 0.65
# Grain on the subject is the same for every seed: the seed changes the scene, not the subject.
SUBJECT_GRAIN_SEED = 20_011


def render(
    subject: Subject,
    preset: Preset,
    seed: int,
    size: tuple[int, int],
    guard: Guard,
    *,
    empty: bool = False,
) -> NDArray[np.uint8]:
    """Photograph the subject in the preset's studio, [height, width, 3] sRGB.

    The subject's place and size are the preset's, as `composed` made it for the seed; the seed
    chooses palette, lamp, gobo, shadow, props and grain. The same arguments always give the same
    pixels.
    `size` is width and height. An `empty` set has the subject's shadow and reflection, but not
    the subject. Raises VisionError `canceled` or `timeout` between steps.
    """
    width, height = size
    subject = posed(subject, preset)
    rng = _chance(preset, seed)
    palette = preset.palettes[seed % len(preset.palettes)]
    lamp = hang_lamp(seed, rng)
    shrink = min(1.0, SET_EDGE / max(width, height))
    small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    stage = backdrop.build(
        preset, palette, subject.grounding, lamp=lamp, seed=seed, rng=rng, size=small
    )
    guard.check()
    colours, alpha = warp(subject, placed(subject, preset, small), *small)
    shadow = grounding.shadow_of(alpha, subject.grounding, lamp, preset, rng)[..., None]
    stage = stage * (1 - shadow * (1 - np.array(preset.shadow_colour, np.float32)))
    if subject.grounding == "floor":
        gloss = preset.reflection * float(rng.uniform(0.75, 1.25))
        stage = grounding.reflect(stage, colours, alpha, gloss, 0.0016 + 0.003 * preset.softness)
    guard.check()
    gain, add = _subject_lights(preset, palette, lamp, stage, alpha)
    if empty:
        alpha = np.zeros_like(alpha)
    small_picture = _composite(stage, colours, alpha, gain, add)
    glow = finish.bloom_of(small_picture, preset.grade.bloom)
    guard.check()
    view = None if empty else Warp(subject, placed(subject, preset, size), width)
    corners = finish.vignette(width, height, preset.grade.vignette)
    fixed = np.random.default_rng(SUBJECT_GRAIN_SEED)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        guard.check()
        count = min(STRIP_ROWS, height - top)
        strip = Strip(top, count, width, height)
        if shrink == 1:
            picture, weight = small_picture[top : top + count], alpha[top : top + count]
        elif view is None:
            picture = np.clip(strip.of(stage, cv2.INTER_CUBIC), 0, 1)
            weight = np.zeros((count, width), np.float32)
        else:
            colours, weight = view.rows(top, count)
            picture = _composite(
                strip.of(stage, cv2.INTER_CUBIC), colours, weight, strip.of(gain), strip.of(add)
            )
        picture = finish.graded(finish.screened(picture, strip.of(glow)), preset.grade)
        grain = finish.film_grain(rng, width, count, preset.grade.grain, height)
        own_grain = finish.film_grain(fixed, width, count, preset.grade.grain * 0.7, height)
        grain += (own_grain - grain) * weight
        picture = picture * corners[top : top + count, :, None] + grain[..., None]
        out[top : top + count] = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return out


def lamp_of(preset: Preset, seed: int) -> Lamp:
    """The main lamp of a seed's set."""
    return hang_lamp(seed, _chance(preset, seed))


def _chance(preset: Preset, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *preset.name.encode()])


def placed(subject: Subject, preset: Preset, size: tuple[int, int]) -> Placement:
    """Where the subject stands on a canvas of that width and height."""
    return place(subject, *size, preset.fill, preset.space, composition=preset.composition)


def posed(subject: Subject, preset: Preset) -> Subject:
    """The subject on the floor or table that the preset's angle shows, where it names one."""
    if preset.angle is None or subject.grounding == "anchored":
        return subject
    lying: Grounding = "table" if preset.angle == "above" else "floor"
    return replace(subject, grounding=lying)


@dataclass(frozen=True)
class Strip:
    """A strip of the canvas's rows."""

    top: int
    count: int
    width: int
    height: int

    def of(self, field: Float, way: int = cv2.INTER_LINEAR) -> Float:
        """The strip of a field that covers the canvas at any resolution."""
        high, wide = field.shape[:2]
        if (high, wide) == (self.height, self.width):
            return field[self.top : self.top + self.count]
        x, y = wide / self.width, high / self.height
        matrix = np.array([[x, 0, 0.5 * x - 0.5], [0, y, (self.top + 0.5) * y - 0.5]], np.float32)
        enlarged: Float = cv2.warpAffine(
            field,
            matrix,
            (self.width, self.count),
            flags=way | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return enlarged


def _subject_lights(
    preset: Preset, palette: Palette, lamp: Lamp, stage: Float, alpha: Float
) -> tuple[Float, Float]:
    """What the set does to the subject: a gain and an addition, each [h, w, 3]."""
    height, width = alpha.shape
    longest = max(height, width)
    xs = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5)[None, :, None]
    mean = stage.reshape(-1, 3).mean(axis=0)
    tint = mean / max(0.08, float(mean.mean()))
    gain = preset.subject_light * (1 + preset.spill * (tint - 1) * 0.6)
    gain = gain * (1 + ON_SUBJECT * (np.array(preset.light, np.float32) - 1))
    gain = gain * (1 + 0.10 * lamp.side * xs) * np.ones((height, width, 1), np.float32)
    inner = cv2.GaussianBlur(alpha, (0, 0), 0.005 * longest)
    edge = np.clip(alpha - inner, 0, 1) * 2
    slope_x = cv2.Sobel(inner, cv2.CV_32F, 1, 0, ksize=3)
    slope_y = cv2.Sobel(inner, cv2.CV_32F, 0, 1, ksize=3)
    steep = np.hypot(slope_x, slope_y) + 1e-4
    key = np.array(palette.accent, np.float32)
    if preset.prop == "tubes":
        left = _facing(slope_x, slope_y, steep, (-0.95, -0.3)) * edge
        right = _facing(slope_x, slope_y, steep, (0.95, -0.3)) * edge
        colours = (palette.accent, palette.second)
        first, second = colours if lamp.side < 0 else colours[::-1]
        add = left[..., None] * np.array(first, np.float32)
        add = add + right[..., None] * np.array(second, np.float32)
        wash = 0.10 * np.array(first, np.float32) * (0.5 - xs) + 0.10 * np.array(
            second, np.float32
        ) * (0.5 + xs)
        add = preset.rim * add + wash
    else:
        facing = _facing(slope_x, slope_y, steep, lamp.direction) * edge
        add = preset.rim * facing[..., None] * key
    # Light wrap: a bright set bleeds a little over the subject's edge.
    blurred = cv2.GaussianBlur(np.clip(stage, 0, 1), (0, 0), 0.02 * longest)
    add = add + 0.22 * edge[..., None] * blurred * blurred
    return gain.astype(np.float32), add.astype(np.float32)


def _facing(slope_x: Float, slope_y: Float, steep: Float, towards: tuple[float, float]) -> Float:
    """How far each edge pixel looks towards a light; alpha falls outwards, hence the minus."""
    facing: Float = np.clip(-(slope_x * towards[0] + slope_y * towards[1]) / steep, 0, 1)
    return facing


def _composite(stage: Float, colours: Float, alpha: Float, gain: Float, add: Float) -> Float:
    """The lit subject over the set."""
    front = np.clip(colours * gain + add, 0, 1)
    back = np.clip(stage, 0, 1)
    return back + (front - back) * alpha[..., None]
