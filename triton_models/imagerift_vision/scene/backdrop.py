"""The set behind and under the subject: wall, floor or table, props, texture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.colours import Colour
from imagerift_vision.fields import blurred, each_channel, in_colour
from imagerift_vision.presets import Palette, Preset
from imagerift_vision.scene.finish import LUMA, screened
from imagerift_vision.scene.light import Lamp, cast, grid, pool_of_light
from imagerift_vision.scene.placement import Grounding, shift_of
from imagerift_vision.scene.planes import surfaces

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Stage:
    """The lit, empty set."""

    picture: Float
    """[h, w, 3] around 0 to 1."""
    pattern: Float
    """[h, w]: how much of the lamp's light what stands in its beam lets through, 0 to 1."""


def build(
    preset: Preset,
    palette: Palette,
    grounding: Grounding,
    *,
    lamp: Lamp,
    seed: int,
    rng: np.random.Generator,
    size: tuple[int, int],
) -> Stage:
    """The set of a seed."""
    width, height = size
    # What frames the subject stands with it.
    aside = shift_of(preset.space) + preset.composition.aside
    base = surfaces(preset, palette, grounding, rng, size)
    if preset.prop == "disc":
        base = _disc(base, palette, lamp, rng, aside)
    plaster = _plaster(rng, width, height, preset.texture)
    gobo = preset.gobos[seed % len(preset.gobos)]
    pool = pool_of_light(lamp, width, height, float(rng.uniform(0.9, 1.2)))
    pattern = cast(gobo, lamp, rng, width, height)
    light = preset.ambient + preset.pool * pool * (0.35 + 0.65 * pattern)
    light = light * (1 - preset.pattern * 0.62 * (1 - pattern))
    asked = [plane.colour for plane in (preset.wall, preset.floor) if plane.colour is not None]
    if asked:
        light = _evened(light, max(float(LUMA @ colour) for colour in asked))
    lit = base
    lit *= in_colour((light * (1 + plaster)).astype(np.float32), preset.light)
    if preset.prop == "bokeh":
        lit = _bokeh(lit, palette, grounding, rng, preset.name == "nature")
    elif preset.prop == "tubes":
        lit = _tubes(lit, palette, lamp, seed % 3, aside)
    return Stage(lit, pattern)


def _evened(light: Float, brightness: float) -> Float:
    """Light that shows a colour as it was asked for: in the middle of the light, a bright one
    in its brightest part, since nothing is brighter than white; its contrast is less."""
    share = min(1.0, max(0.0, (brightness - 0.55) / 0.35))
    even = light ** np.float32(0.5 - 0.25 * share)
    top = float(np.percentile(even, 90))
    return np.asarray(even / (float(even.mean()) * (1 - share) + top * share), np.float32)


def _plaster(rng: np.random.Generator, width: int, height: int, amount: float) -> Float:
    """Fine unevenness of a painted wall: noise in three octaves."""
    total = np.zeros((height, width), np.float32)
    for cells, weight in ((7, 1.0), (40, 0.6), (220, 0.5)):
        rows = max(2, round(cells * height / max(width, height)))
        columns = max(2, round(cells * width / max(width, height)))
        noise = rng.standard_normal((rows, columns)).astype(np.float32)
        total += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return total * amount


def _disc(
    base: Float, palette: Palette, lamp: Lamp, rng: np.random.Generator, aside: float
) -> Float:
    """A large paper disc or arch on the wall, with its own faint shadow."""
    height, width = base.shape[:2]
    x, y = grid(width, height)
    centre_x = float(rng.uniform(-0.10, 0.10)) + aside * width / max(width, height)
    centre_y = float(rng.uniform(-0.12, -0.02))
    radius = float(rng.uniform(0.30, 0.38))
    arch = rng.uniform() < 0.4
    distance = np.hypot(x - centre_x, y - centre_y)
    if arch:
        distance = np.where(y > centre_y, np.abs(x - centre_x), distance)
    pixel = 1.0 / max(width, height)
    inside = np.clip((radius - distance) / (1.5 * pixel) + 0.5, 0, 1).astype(np.float32)
    sigma = 0.014 * max(width, height)
    shift = np.array(
        [[1, 0, -lamp.side * 0.016 * max(width, height)], [0, 1, 0.014 * max(width, height)]],
        np.float32,
    )
    shadow = cv2.warpAffine(
        blurred(inside, sigma), shift, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    base *= each_channel((1 - 0.14 * shadow) * (1 - inside))
    base += in_colour(inside, palette.accent)
    return base


def _bokeh(
    lit: Float, palette: Palette, grounding: Grounding, rng: np.random.Generator, dense: bool
) -> Float:
    """Lights far out of focus."""
    height, width = lit.shape[:2]
    longest = max(width, height)
    glow = np.zeros((height, width), np.float32)
    limit = 0.62 if grounding == "floor" else (0.42 if grounding == "table" else 0.95)
    for _ in range(46 if dense else 30):
        radius = float(rng.uniform(0.012, 0.060 if dense else 0.042)) * longest
        x = int(rng.uniform(-0.05, 1.05) * width)
        y = int(rng.uniform(-0.05, 1.0) * limit * height)
        weight = float(rng.uniform(0.15, 1.0)) ** 1.6 * (1 - 0.75 * max(0, y) / (limit * height))
        reach = round(radius * 1.1) + 2
        left, top = max(0, x - reach), max(0, y - reach)
        part = glow[top : max(0, y + reach), left : max(0, x + reach)]
        if part.size == 0:
            continue
        disc, centre = np.zeros(part.shape, np.uint8), (x - left, y - top)
        cv2.circle(disc, centre, round(radius), 255, -1, cv2.LINE_AA)
        cv2.circle(disc, centre, round(radius), 150, max(1, round(radius * 0.12)), cv2.LINE_AA)
        part += disc.astype(np.float32) / 255 * weight
    glow = blurred(glow, 0.0045 * longest)
    halo = blurred(glow, 0.04 * longest)
    strength = 0.26 if dense else 0.34
    add = in_colour(strength * np.minimum(glow, 1.2) + 0.30 * halo, palette.accent)
    return screened(np.clip(lit, 0, 1), add)


def _tubes(lit: Float, palette: Palette, lamp: Lamp, shape: int, aside: float) -> Float:
    """Neon: a ring or bars on the wall, each with its glow, and light of both colours around."""
    height, width = lit.shape[:2]
    longest = max(width, height)
    first = np.zeros((height, width), np.uint8)
    second = np.zeros((height, width), np.uint8)
    thick = max(2, round(0.009 * longest))
    centre = (round(width * (0.5 + aside + 0.03 * lamp.side)), round(height * 0.44))
    if shape == 0:
        cv2.circle(first, centre, round(0.36 * min(width, height)), 255, thick, cv2.LINE_AA)
        radius = round(0.405 * min(width, height))
        cv2.ellipse(second, centre, (radius, radius), 0, 200, 340, 255, thick // 2 + 1, cv2.LINE_AA)
    elif shape == 1:
        for x, tubes in ((0.13, first), (0.19, second), (0.81, second), (0.87, first)):
            start, end = (
                (round(x * width), round(0.06 * height)),
                (round(x * width), round(0.7 * height)),
            )
            cv2.line(tubes, start, end, 255, thick, cv2.LINE_AA)
    else:
        reach = 0.37 * min(width, height)
        for side, tubes in ((reach, first), (reach * 1.16, second)):
            corners = [
                (
                    centre[0] + side * np.sin(turn),
                    centre[1] - side * np.cos(turn) + 0.06 * height,
                )
                for turn in (0, 2 * np.pi / 3, 4 * np.pi / 3)
            ]
            points = np.array(corners, np.int32).reshape(-1, 1, 2)
            cv2.polylines(tubes, [points], True, 255, thick, cv2.LINE_AA)
    out = lit
    washes = (
        pool_of_light(Lamp(0.08, 0.42, -1), width, height, 0.9),
        pool_of_light(Lamp(0.92, 0.42, 1), width, height, 0.9),
    )
    if lamp.side > 0:
        washes = washes[::-1]
    for tubes, colour, wash in (
        (first, palette.accent, washes[0]),
        (second, palette.second, washes[1]),
    ):
        out = _glowing(out, tubes.astype(np.float32) / 255, colour, wash, longest)
    return out


def _glowing(lit: Float, tube: Float, colour: Colour, wash: Float, longest: int) -> Float:
    near, far = blurred(tube, 0.010 * longest), blurred(tube, 0.060 * longest)
    light = 1.1 * near + 2.2 * far + 0.20 * wash
    out = screened(np.clip(lit, 0, 1), in_colour(light, colour))
    core = blurred(tube, 0.0012 * longest)
    red, green, blue = (0.72 + 0.28 * part for part in colour)
    out *= each_channel(1 - core)
    out += in_colour(core, (red, green, blue))
    return out
