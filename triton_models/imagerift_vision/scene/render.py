"""One picture of the studio: subject, preset, seed and size in, pixels out."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.fields import blurred, each_channel, in_colour, mixed
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
from imagerift_vision.scene.relief import falling_on

Float = NDArray[np.float32]

# The set is smooth: on a larger canvas it is built at a whole part of its size, and enlarged.
SET_EDGE = 1024
# So few rows at once stay in the processor's cache.
STRIP_ROWS = 64
# Resampling looks at so many pixels on either side.
RESAMPLING_REACH = 2
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
    shrink = max(1, round(max(size) / SET_EDGE))
    small = (-(-width // shrink), -(-height // shrink))
    built = backdrop.build(
        preset, palette, subject.grounding, lamp=lamp, seed=seed, rng=rng, size=small
    )
    stage = built.picture
    guard.check()
    colours, alpha = warp(subject, placed(subject, preset, small), *small)
    shadow = grounding.shadow_of(alpha, subject.grounding, lamp, preset, rng)
    stage *= mixed(shadow, (1.0, 1.0, 1.0), preset.shadow_colour)
    if subject.grounding == "floor":
        gloss = preset.reflection * float(rng.uniform(0.75, 1.25))
        grounding.reflect(stage, colours, alpha, gloss, 0.0016 + 0.003 * preset.softness)
    guard.check()
    gain, add = _subject_lights(preset, palette, lamp, stage, alpha)
    if preset.pattern > 0:
        gain *= each_channel(falling_on(built.pattern, colours, alpha, lamp, preset.pattern))
    np.clip(stage, 0, 1, out=stage)
    whole = stage if empty else _composite(stage, colours, alpha, gain, add)
    glow = finish.bloom_of(whole, preset.grade.bloom)
    corners = finish.vignette(*small, preset.grade.vignette)
    grain = finish.Grain(finish.seamless_grain(rng, max(size)), preset.grade.grain)
    own_grain = finish.Grain(_subject_grain(max(size)), preset.grade.grain * 0.7)
    guard.check()
    view = None if empty else Warp(subject, placed(subject, preset, size), width)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        guard.check()
        strip = Strip(top, min(STRIP_ROWS, height - top), 0, width, shrink)
        grains = grain.rows(top, strip.count, 0, width)
        reach = None if view is None else view.columns(top, strip.count)
        picture = strip.of(whole) if shrink == 1 else strip.of(stage, cv2.INTER_CUBIC).clip(0, 1)
        if view is not None and reach is not None:
            part = replace(strip, left=reach[0], right=reach[1])
            here = slice(*reach)
            if shrink == 1:
                weight = part.of(alpha)
            else:
                shown, weight = view.part(top, strip.count, *reach)
                picture[:, here] = _composite(
                    picture[:, here], shown, weight, part.of(gain), part.of(add)
                )
            own = own_grain.rows(top, strip.count, reach[0], reach[1] - reach[0])
            grains[:, here] += (own - grains[:, here]) * weight
        picture = finish.graded(finish.screened(picture, strip.of(glow)), preset.grade)
        picture *= each_channel(strip.of(corners))
        picture += each_channel(grains)
        np.maximum(picture, 0, out=picture)
        out[top : top + strip.count] = cv2.convertScaleAbs(picture, alpha=255)
    return out


@lru_cache(maxsize=1)
def _subject_grain(longest: int) -> Float:
    return finish.seamless_grain(np.random.default_rng(SUBJECT_GRAIN_SEED), longest)


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
    """A piece of the canvas, whose set is kept at a `shrink`th of the canvas' size."""

    top: int
    count: int
    left: int
    right: int
    shrink: int

    def of(self, field: Float, way: int = cv2.INTER_LINEAR) -> Float:
        """The piece of a field of the set."""
        rows, above = _reaching(self.top, self.top + self.count, self.shrink)
        columns, before = _reaching(self.left, self.right, self.shrink)
        part = field[rows, columns]
        if self.shrink > 1:
            part = cv2.resize(part, None, fx=self.shrink, fy=self.shrink, interpolation=way)
        right = before + self.right - self.left
        return np.asarray(part[above : above + self.count, before:right], np.float32)


def _reaching(start: int, stop: int, shrink: int) -> tuple[slice, int]:
    """What is needed of a field that is enlarged, and where in that the wanted part begins."""
    if shrink == 1:
        return slice(start, stop), 0
    first = max(0, start // shrink - RESAMPLING_REACH)
    return slice(first, -(-stop // shrink) + RESAMPLING_REACH), start - first * shrink


def _subject_lights(
    preset: Preset, palette: Palette, lamp: Lamp, stage: Float, alpha: Float
) -> tuple[Float, Float]:
    """What the set does to the subject: a gain and an addition, each [h, w, 3]."""
    height, width = alpha.shape
    longest = max(height, width)
    xs = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    mean = stage.reshape(-1, 3).mean(axis=0)
    tint = mean / max(0.08, float(mean.mean()))
    gain = preset.subject_light * (1 + preset.spill * (tint - 1) * 0.6)
    gain = gain * (1 + ON_SUBJECT * (np.array(preset.light, np.float32) - 1))
    row = (gain * (1 + 0.10 * lamp.side * xs)[:, None]).astype(np.float32)
    inner = cv2.GaussianBlur(alpha, (0, 0), 0.005 * longest)
    edge = np.clip(alpha - inner, 0, 1) * 2
    slope_x = cv2.Sobel(inner, cv2.CV_32F, 1, 0, ksize=3)
    slope_y = cv2.Sobel(inner, cv2.CV_32F, 0, 1, ksize=3)
    steep = np.hypot(slope_x, slope_y) + 1e-4
    if preset.prop == "tubes":
        left = preset.rim * _facing(slope_x, slope_y, steep, (-0.95, -0.3)) * edge
        right = preset.rim * _facing(slope_x, slope_y, steep, (0.95, -0.3)) * edge
        colours = (palette.accent, palette.second)
        first, second = colours if lamp.side < 0 else colours[::-1]
        # Beside the tubes' edges, a wash of either colour from its side.
        across = np.broadcast_to(0.10 * xs, alpha.shape)
        add = in_colour(left + 0.05 - across, first)
        add += in_colour(right + 0.05 + across, second)
    else:
        facing = _facing(slope_x, slope_y, steep, lamp.direction)
        add = in_colour(preset.rim * facing * edge, palette.accent)
    # Light wrap: a bright set bleeds a little over the subject's edge.
    wrap = blurred(np.clip(stage, 0, 1), 0.02 * longest)
    wrap *= wrap
    wrap *= each_channel(0.22 * edge)
    add += wrap
    return np.ascontiguousarray(np.broadcast_to(row, stage.shape)), add


def _facing(slope_x: Float, slope_y: Float, steep: Float, towards: tuple[float, float]) -> Float:
    """How far each edge pixel looks towards a light; alpha falls outwards, hence the minus."""
    facing: Float = np.clip(-(slope_x * towards[0] + slope_y * towards[1]) / steep, 0, 1)
    return facing


def _composite(stage: Float, colours: Float, alpha: Float, gain: Float, add: Float) -> Float:
    """The lit subject over the set, 0 to 1."""
    front = colours * gain
    front += add
    np.clip(front, 0, 1, out=front)
    front -= stage
    front *= each_channel(alpha)
    front += stage
    return front
