"""What stands behind an avatar: a seeded backdrop and the light that comes with it."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.scene.light import Lamp, hang_lamp

Float = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Scheme:
    """The colours of one backdrop."""

    near: Colour
    """Around the head."""
    far: Colour
    """At the corners."""
    accent: Colour
    """Motif and rim light."""


@dataclass(frozen=True)
class Setting:
    """A backdrop with its light."""

    picture: Float
    """[h, w, 3], 0 to 1."""
    lamp: Lamp
    scheme: Scheme


SCHEMES: dict[str, tuple[Scheme, ...]] = {
    "anime": (
        Scheme((1.00, 0.90, 0.94), (0.56, 0.74, 1.00), (1.00, 1.00, 1.00)),
        Scheme((1.00, 0.95, 0.76), (1.00, 0.62, 0.50), (1.00, 1.00, 0.90)),
        Scheme((0.80, 0.97, 0.93), (0.28, 0.62, 0.74), (1.00, 1.00, 1.00)),
        Scheme((0.90, 0.84, 1.00), (0.46, 0.38, 0.78), (1.00, 0.86, 0.96)),
        Scheme((0.78, 0.92, 1.00), (0.22, 0.46, 0.90), (1.00, 1.00, 1.00)),
    ),
    "cartoon3d": (
        Scheme((1.00, 0.84, 0.64), (0.88, 0.42, 0.34), (1.00, 0.86, 0.70)),
        Scheme((0.62, 0.86, 0.94), (0.16, 0.40, 0.62), (0.80, 0.95, 1.00)),
        Scheme((0.96, 0.78, 0.86), (0.56, 0.30, 0.62), (1.00, 0.80, 0.92)),
        Scheme((0.82, 0.92, 0.66), (0.26, 0.54, 0.40), (0.98, 1.00, 0.76)),
        Scheme((1.00, 0.90, 0.56), (0.92, 0.56, 0.18), (1.00, 0.94, 0.70)),
    ),
    "oilpaint": (
        Scheme((0.62, 0.46, 0.28), (0.24, 0.15, 0.09), (1.00, 0.86, 0.62)),
        Scheme((0.50, 0.54, 0.36), (0.15, 0.18, 0.11), (0.98, 0.92, 0.70)),
        Scheme((0.62, 0.30, 0.24), (0.24, 0.08, 0.08), (1.00, 0.80, 0.64)),
        Scheme((0.42, 0.54, 0.62), (0.12, 0.18, 0.24), (0.92, 0.94, 1.00)),
        Scheme((0.80, 0.72, 0.56), (0.44, 0.36, 0.26), (1.00, 0.92, 0.76)),
    ),
}
MOTIFS: dict[str, tuple[str, ...]] = {
    "anime": ("rays", "clouds", "dots", "disc", "petals"),
    "cartoon3d": ("bokeh", "disc", "beam", "arches"),
    "oilpaint": ("strokes",),
}


def hang(preset: str, seed: int, width: int, height: int) -> Setting:
    """The backdrop of a seed; consecutive seeds differ in colours, motif and side of the lamp."""
    rng = np.random.default_rng([seed, 31, *preset.encode()])
    schemes, motifs = SCHEMES[preset], MOTIFS[preset]
    scheme = schemes[seed % len(schemes)]
    lamp = hang_lamp(seed, rng)
    x, y = _grid(width, height)
    centre = 0.5 + 0.10 * lamp.side
    distance: Float = np.clip(
        np.hypot(x - centre * width / max(width, height), y - 0.40) * 1.35, 0, 1
    )
    near, far = np.array(scheme.near, np.float32), np.array(scheme.far, np.float32)
    share: Float = (distance**1.15)[..., None].astype(np.float32)
    base: Float = near * (1 - share) + far * share
    motif = motifs[(seed + seed // len(schemes)) % len(motifs)]
    painted = _MOTIFS[motif](base.astype(np.float32), scheme, lamp, rng)
    return Setting(np.clip(painted, 0, 1).astype(np.float32), lamp, scheme)


def _grid(width: int, height: int) -> tuple[Float, Float]:
    """Coordinates in units of the longer side."""
    longest = max(width, height)
    x = (np.arange(width, dtype=np.float32) + 0.5) / longest
    y = (np.arange(height, dtype=np.float32) + 0.5) / longest
    return np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))


def _over(base: Float, colour: Colour, mask: Float) -> Float:
    weight: Float = mask[..., None]
    mixed: Float = base * (1 - weight) + np.array(colour, np.float32) * weight
    return mixed


def _rays(base: Float, scheme: Scheme, _lamp: Lamp, rng: np.random.Generator) -> Float:
    """Rays from behind the head."""
    height, width = base.shape[:2]
    x, y = _grid(width, height)
    longest = max(width, height)
    turn = np.arctan2(y - 0.42 * height / longest, x - 0.5 * width / longest)
    count = int(rng.integers(9, 14))
    wave = np.sin(turn * count + float(rng.uniform(0, 6.28)))
    far = np.clip(np.hypot(x - 0.5 * width / longest, y - 0.42 * height / longest) * 2, 0, 1)
    return _over(
        base, scheme.accent, (0.42 * np.clip(wave * 9 + 0.5, 0, 1) * far).astype(np.float32)
    )


def _clouds(base: Float, scheme: Scheme, _lamp: Lamp, rng: np.random.Generator) -> Float:
    """Heaped summer clouds, flat below."""
    height, width = base.shape[:2]
    longest = max(width, height)
    out = base
    for bank in range(4):
        level = (0.30 + 0.17 * bank + float(rng.uniform(-0.05, 0.05))) * height
        middle = float(rng.uniform(0, 1)) * width
        mask = np.zeros((height, width), np.uint8)
        for puff in range(22):
            off = (puff / 21 - 0.5) * 0.62 * longest
            heap = np.exp(-((off / (0.20 * longest)) ** 2))
            size = (0.022 + 0.075 * heap * float(rng.uniform(0.6, 1.1))) * longest
            cv2.circle(mask, (round(middle + off), round(level - size * 0.5)), round(size), 255, -1,
                       cv2.LINE_AA)  # fmt: skip
        mask[min(height, round(level)) :] = 0
        soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 0.003 * longest)
        shade = cv2.GaussianBlur(soft, (0, 0), 0.03 * longest)
        out = _over(out, scheme.accent, soft * (0.45 + 0.45 * np.clip(1.3 - shade, 0, 1)))
    return out


def _dots(base: Float, scheme: Scheme, lamp: Lamp, rng: np.random.Generator) -> Float:
    """Printed halftone dots that grow to one side."""
    height, width = base.shape[:2]
    x, y = _grid(width, height)
    pitch = float(rng.uniform(0.030, 0.040))
    u, v = (x + y) / (1.4142 * pitch), (x - y) / (1.4142 * pitch)
    distance = np.hypot(u - np.round(u), v - np.round(v))
    side = x / float(x.max())
    size = 0.44 * np.clip(
        0.15 + 0.85 * (side if lamp.side < 0 else 1 - side) * y / float(y.max()), 0, 1
    )
    mask = np.clip((size - distance) * pitch * max(width, height) / 1.5 + 0.5, 0, 1)
    return _over(base, scheme.accent, (0.62 * mask).astype(np.float32))


def _disc(base: Float, scheme: Scheme, lamp: Lamp, rng: np.random.Generator) -> Float:
    """A large disc behind the head, with a thin ring."""
    height, width = base.shape[:2]
    longest = max(width, height)
    x, y = _grid(width, height)
    centre_x = (0.5 - 0.07 * lamp.side) * width / longest
    centre_y = 0.40 * height / longest
    radius = float(rng.uniform(0.36, 0.42)) * min(width, height) / longest
    distance = np.hypot(x - centre_x, y - centre_y)
    inside = np.clip((radius - distance) * longest / 1.5 + 0.5, 0, 1)
    ring = np.clip(1.0 + (0.0035 - np.abs(distance - radius * 1.10)) * longest / 1.5, 0, 1)
    out = _over(base, scheme.far, (0.55 * inside).astype(np.float32))
    return _over(out, scheme.accent, (0.8 * np.clip(ring, 0, 1)).astype(np.float32))


def _petals(base: Float, scheme: Scheme, _lamp: Lamp, rng: np.random.Generator) -> Float:
    """Petals in the wind, some out of focus."""
    height, width = base.shape[:2]
    longest = max(width, height)
    out = base
    for blur, count, size in ((0.012, 14, 0.034), (0.0012, 22, 0.020)):
        mask = np.zeros((height, width), np.uint8)
        for _ in range(count):
            place = (
                round(float(rng.uniform(0, 1)) * width),
                round(float(rng.uniform(0, 1)) * height),
            )
            axes = (
                round(size * longest * float(rng.uniform(0.5, 1.1))),
                round(size * longest * 0.42),
            )
            cv2.ellipse(mask, place, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
        soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), blur * longest)
        out = _over(out, scheme.accent, 0.75 * soft)
    return out


def _bokeh(base: Float, scheme: Scheme, _lamp: Lamp, rng: np.random.Generator) -> Float:
    """Lights far out of focus."""
    height, width = base.shape[:2]
    longest = max(width, height)
    glow = np.zeros((height, width), np.float32)
    for _ in range(24):
        disc = np.zeros((height, width), np.uint8)
        radius = round(float(rng.uniform(0.02, 0.075)) * longest)
        place = (
            round(float(rng.uniform(0, 1)) * width),
            round(float(rng.uniform(0, 0.9)) * height),
        )
        cv2.circle(disc, place, radius, 255, -1, cv2.LINE_AA)
        glow += disc.astype(np.float32) / 255 * float(rng.uniform(0.08, 0.34))
    glow = np.clip(cv2.GaussianBlur(glow, (0, 0), 0.004 * longest), 0, 0.6)
    return 1 - (1 - base) * (1 - glow[..., None] * np.array(scheme.accent, np.float32))


def _beam(base: Float, scheme: Scheme, lamp: Lamp, rng: np.random.Generator) -> Float:
    """Soft shafts of light from the lamp's side."""
    height, width = base.shape[:2]
    x, y = _grid(width, height)
    across = x + lamp.side * y * 0.7
    total = np.zeros((height, width), np.float32)
    for _ in range(3):
        middle, half = float(rng.uniform(0.1, 1.1)), float(rng.uniform(0.05, 0.12))
        total += 0.34 * np.clip((half - np.abs(across - middle)) / 0.03 + 0.5, 0, 1)
    soft = cv2.GaussianBlur(total, (0, 0), 0.012 * max(width, height))
    return _over(base, scheme.accent, np.clip(soft, 0, 0.6))


def _arches(base: Float, scheme: Scheme, _lamp: Lamp, _rng: np.random.Generator) -> Float:
    """Concentric steps of paper around the head, each with its shadow."""
    height, width = base.shape[:2]
    longest = max(width, height)
    x, y = _grid(width, height)
    distance = np.hypot(x - 0.5 * width / longest, y - 0.44 * height / longest)
    out = base
    for step in range(4):
        radius = (0.62 - 0.115 * step) * min(width, height) / longest
        inside = np.clip((radius - distance) * longest / 1.5 + 0.5, 0, 1).astype(np.float32)
        shade = cv2.GaussianBlur(inside, (0, 0), 0.016 * longest)
        out = out * (1 - 0.20 * (shade * (1 - inside)))[..., None]
        out = _over(out, scheme.accent, 0.16 * inside)
    return out


def _strokes(base: Float, _scheme: Scheme, lamp: Lamp, rng: np.random.Generator) -> Float:
    """The loosely brushed ground of an old portrait."""
    height, width = base.shape[:2]
    out = base
    for cells, amount in ((4, 0.12), (11, 0.06)):
        noise = rng.standard_normal((cells, cells)).astype(np.float32)
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        out = out * (1 + amount * noise)[..., None]
    x, y = _grid(width, height)
    towards = 0.5 + 0.28 * lamp.side
    pool = np.exp(-(((x - towards) / 0.42) ** 2) - ((y - 0.34) / 0.5) ** 2)
    return out * (0.72 + 0.62 * pool)[..., None]


_MOTIFS: dict[str, Callable[[Float, Scheme, Lamp, np.random.Generator], Float]] = {
    "rays": _rays,
    "clouds": _clouds,
    "dots": _dots,
    "disc": _disc,
    "petals": _petals,
    "bokeh": _bokeh,
    "beam": _beam,
    "arches": _arches,
    "strokes": _strokes,
}
