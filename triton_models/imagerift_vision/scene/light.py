"""Light on the backdrop: the pool of the main lamp, and what stands in its beam (gobos)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.fields import blurred
from imagerift_vision.presets import Gobo

Float = NDArray[np.float32]

GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True)
class Lamp:
    """The main lamp."""

    x: float
    """Centre of its pool, 0 left to 1 right."""
    y: float
    """Centre of its pool, 0 top to 1 bottom."""
    side: float
    """-1 from the left to 1 from the right."""

    @property
    def direction(self) -> tuple[float, float]:
        """Unit vector on the canvas that points to the lamp."""
        length = float(np.hypot(self.side, 0.8))
        return self.side / length, -0.8 / length


def hang_lamp(seed: int, rng: np.random.Generator) -> Lamp:
    """A lamp whose side swings as far as it can between consecutive seeds."""
    swing = (seed * GOLDEN_RATIO) % 1.0
    side = float(np.sign(swing - 0.5) or 1.0) * (0.45 + 0.5 * abs(2 * swing - 1))
    return Lamp(0.5 + 0.30 * side, 0.30 + float(rng.uniform(-0.08, 0.06)), side)


def grid(width: int, height: int) -> tuple[Float, Float]:
    """Coordinates in units of the longer side, (0, 0) in the centre."""
    longest = max(width, height)
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / longest
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / longest
    return np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))


def pool_of_light(lamp: Lamp, width: int, height: int, spread: float) -> Float:
    """The lamp's pool, 0 to 1."""
    xs = (np.arange(width, dtype=np.float32) + 0.5) / width
    ys = (np.arange(height, dtype=np.float32) + 0.5) / height
    across = np.exp(-(((xs - lamp.x) / (0.44 * spread)) ** 2))
    down = np.exp(-(((ys - lamp.y) / (0.50 * spread)) ** 2))
    pool: Float = (down[:, None] * across[None]).astype(np.float32)
    return pool


def cast(gobo: Gobo, lamp: Lamp, rng: np.random.Generator, width: int, height: int) -> Float:
    """The gobo's light, 0 (shaded) to 1 (lit), [height, width]."""
    x, y = grid(width, height)
    longest = max(width, height)
    if gobo == "none":
        return np.ones((height, width), np.float32)
    if gobo == "spot":
        return _spot(x, y, lamp, rng)
    if gobo == "foliage":
        return _foliage(rng, width, height)
    # Slanted coordinates: light through a window falls as a leaning parallelogram.
    lean = -lamp.side * float(rng.uniform(0.45, 0.75))
    across = x + y * lean - 0.16 * lamp.side
    along = y + x * lamp.side * 0.18
    if gobo == "beam":
        offset = float(rng.uniform(-0.10, 0.10))
        mask = _band(across, offset, float(rng.uniform(0.13, 0.19)), 0.03)
        mask = np.maximum(mask, 0.8 * _band(across, offset - 0.36, 0.06, 0.02))
        blur = 0.016
    elif gobo == "blinds":
        pitch = float(rng.uniform(0.075, 0.10))
        phase = (along / pitch + float(rng.uniform(0, 1))) % 1.0
        mask = _edge(0.30 - np.abs(phase - 0.5), 0.05) * _band(across, 0.0, 0.42, 0.02)
        blur = 0.005
    else:
        mask = _window(across, along, rng)
        blur = 0.007
    return blurred(mask.astype(np.float32), blur * longest)


def _edge(distance: Float, softness: float) -> Float:
    step = np.clip(distance / softness * 0.5 + 0.5, 0, 1)
    smooth: Float = step * step * (3 - 2 * step)
    return smooth


def _band(position: Float, centre: float, half_width: float, softness: float) -> Float:
    return _edge(half_width - np.abs(position - centre), softness)


def _spot(x: Float, y: Float, lamp: Lamp, rng: np.random.Generator) -> Float:
    centre_x = 0.10 * lamp.side + float(rng.uniform(-0.04, 0.04))
    radius = float(rng.uniform(0.34, 0.42))
    distance = np.sqrt((x - centre_x) ** 2 + ((y + 0.08) * 1.05) ** 2)
    return _edge(radius - distance, 0.20)


def _window(across: Float, along: Float, rng: np.random.Generator) -> Float:
    """Panes of a window with thin bars between them."""
    columns, rows = (2, 3) if rng.uniform() < 0.5 else (3, 4)
    pane_wide, pane_high = 0.44 / columns, 0.74 / rows
    shift_x, shift_y = float(rng.uniform(-0.08, 0.08)), float(rng.uniform(-0.06, 0.04))
    u = (across - shift_x + 0.22) / pane_wide
    v = (along - shift_y + 0.40) / pane_high
    bars = _edge(0.46 - np.abs(u % 1.0 - 0.5), 0.05) * _edge(0.46 - np.abs(v % 1.0 - 0.5), 0.05)
    inside = ((u > 0) & (u < columns) & (v > 0) & (v < rows)).astype(np.float32)
    panes: Float = bars * inside
    return panes


def _foliage(rng: np.random.Generator, width: int, height: int) -> Float:
    """The dappled shadow of branches: sharper leaves near, softer ones further off."""
    longest = max(width, height)
    light = np.ones((height, width), np.float32)
    for branches, leaf, sigma, depth in ((5, 0.105, 0.020, 0.60), (3, 0.075, 0.008, 0.72)):
        shade = np.zeros((height, width), np.uint8)
        for _ in range(branches):
            _branch(shade, rng, leaf * longest)
        light *= 1 - depth * blurred(shade.astype(np.float32) / 255, sigma * longest)
    return light


def _branch(shade: NDArray[np.uint8], rng: np.random.Generator, leaf: float) -> None:
    """Draw one bent branch with leaves on both sides, coming in from an upper corner or side."""
    height, width = shade.shape
    left = rng.uniform() < 0.5
    x = -0.05 * width if left else 1.05 * width
    y = float(rng.uniform(-0.1, 0.65)) * height
    angle = float(rng.uniform(-0.5, 0.7)) if left else float(np.pi - rng.uniform(-0.5, 0.7))
    bend = float(rng.uniform(-0.09, 0.09))
    for step in range(int(rng.integers(9, 15))):
        following = (x + np.cos(angle) * leaf * 0.85, y + np.sin(angle) * leaf * 0.85)
        cv2.line(shade, _pixel(x, y), _pixel(*following), 255, max(1, round(leaf * 0.06)))
        x, y = following
        angle += bend
        size = leaf * float(rng.uniform(0.6, 1.2)) * (1 - 0.035 * step)
        for way in (-1, 1):
            if rng.uniform() < 0.12:
                continue
            turned = angle + way * float(rng.uniform(0.55, 1.15))
            middle = (x + np.cos(turned) * size * 0.55, y + np.sin(turned) * size * 0.55)
            axes = (max(1, round(size * 0.55)), max(1, round(size * 0.21)))
            cv2.ellipse(shade, _pixel(*middle), axes, float(np.degrees(turned)), 0, 360, 255, -1)


def _pixel(x: float, y: float) -> tuple[int, int]:
    return round(float(x)), round(float(y))
