"""Wall and floor of the set, in their colours and materials, as the camera sees them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.fields import each_channel
from imagerift_vision.presets import Palette, Preset
from imagerift_vision.scene.materials import EDGE, tile_of, tinted
from imagerift_vision.scene.placement import Grounding
from imagerift_vision.scene_spec import Plane

Float = NDArray[np.float32]

# From near to far a floor goes out of focus by this share of the longer side.
FAR_BLUR = 0.006
WALL_BLUR = 0.0022
# The wall stands further back than the subject: more tiles of its material fill the frame.
WALL_TILES = 1.45
# How far a seed's horizon is from the composition's, as a share of the range.
HORIZON_PLAY = 0.12


@dataclass(frozen=True)
class View:
    """How the camera sees the floor: heights in shares of the canvas, from the top."""

    edge: float
    """Where the floor ends and the wall begins."""
    vanishing: float
    """Where lines that lead away would meet."""
    depth: float
    """How much longer than wide a tile looks at the lower edge, times the distance."""


def surfaces(
    preset: Preset,
    palette: Palette,
    grounding: Grounding,
    rng: np.random.Generator,
    size: tuple[int, int],
) -> Float:
    """The unlit set, [h, w, 3]: wall and floor as one seamless sweep; a table fills the frame."""
    width, height = size
    ys = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    xs = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None]
    play = float(rng.uniform(-HORIZON_PLAY, HORIZON_PLAY))
    down = min(max(preset.composition.horizon + play, 0.0), 1.0)
    if grounding == "floor":
        horizon, bend = 0.56 + 0.16 * down, float(rng.uniform(0.018, 0.05))
    elif grounding == "table":
        horizon, bend = 0.08 + 0.28 * down, float(rng.uniform(0.07, 0.16))
    else:
        horizon, bend = 1.05, 0.22
    tilt = float(rng.uniform(-0.05, 0.05)) if grounding == "table" else 0.0
    material = preset.floor.surface is not None and grounding != "anchored"
    if material and grounding == "floor":
        bend = 0.0035
    elif material:
        # Seen from above: no wall, unless one is asked for.
        horizon, bend, tilt = (0.10, 0.006, 0.0) if preset.wall != Plane() else (-0.5, 0.01, 0.0)
    if preset.angle == "above":
        horizon = -0.5
    mix = 1 / (1 + np.exp(-np.clip((ys + tilt * (xs - 0.5) - horizon) / bend, -60, 60)))
    mix = each_channel(np.broadcast_to(mix, (height, width)).astype(np.float32))
    wall: Float = np.array(palette.wall, np.float32)
    floor: Float = np.array(palette.floor, np.float32)
    if preset.wall.surface is not None and horizon > 0:
        wall = _on_wall(preset.wall, rng, width, height)
    if material:
        far = -0.55 if horizon > 0 else -1.3
        view = (
            View(horizon, horizon - 0.26, 1.35)
            if grounding == "floor"
            else View(horizon, far, 1.25 * (0.5 - far))
        )
        floor = _on_floor(preset.floor, view, rng, width, height)
        if grounding == "floor":
            # Where the floor meets the wall, less light comes.
            wall = wall * (1 - 0.16 * np.exp(-((horizon - ys) / 0.035).clip(0, 9)))[..., None]
    mix *= floor - wall
    mix += wall
    # A wall darkens upwards, a floor lightens towards the viewer.
    mix *= (1 + 0.05 * (ys - 0.4))[..., None]
    return mix


def _on_wall(plane: Plane, rng: np.random.Generator, width: int, height: int) -> Float:
    """A material straight ahead, a little out of focus."""
    longest = max(width, height)
    x, y = np.meshgrid(
        np.arange(width, dtype=np.float32) / longest, np.arange(height, dtype=np.float32) / longest
    )
    right, down = float(rng.uniform()), float(rng.uniform())
    colours = _read(plane, WALL_TILES * x + right, WALL_TILES * y + down)
    soft: Float = cv2.GaussianBlur(colours, (0, 0), WALL_BLUR * longest)
    return soft


def _on_floor(plane: Plane, view: View, rng: np.random.Generator, width: int, height: int) -> Float:
    """A material that lies on the floor, in perspective, its far parts out of focus."""
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5)[None]
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    near = 1 - view.vanishing
    distance = near / np.maximum(y - view.vanishing, 0.02)
    across = x * distance * (width / max(width, height))
    along = view.depth * distance * (height / max(width, height))
    across, along = np.broadcast_arrays(across, along)
    far = np.clip((distance - 1) / 2.2, 0, 1)
    colours = _read(plane, across + float(rng.uniform()), float(rng.uniform()) - along, far)
    if view.edge < 0:
        return colours
    blurred = cv2.GaussianBlur(colours, (0, 0), FAR_BLUR * max(width, height))
    weight = (far**1.3)[..., None]
    return np.asarray(colours * (1 - weight) + blurred * weight, np.float32)


def _read(plane: Plane, x: Float, y: Float, far: Float | None = None) -> Float:
    """The material at places in tiles, [h, w, 3]; where it is far, of its coarse parts alone."""
    if plane.surface is None:
        raise ValueError("the plane is of no material")
    tile = tile_of(plane.surface)
    places = ((x % 1) * EDGE).astype(np.float32), ((y % 1) * EDGE).astype(np.float32)
    colours = _sampled(tile, *places)
    if far is not None:
        coarse = cv2.GaussianBlur(np.pad(tile, ((8, 8), (8, 8), (0, 0)), mode="wrap"), (0, 0), 2.2)
        distant = _sampled(np.ascontiguousarray(coarse[8:-8, 8:-8]), *places)
        colours += (distant - colours) * far[..., None]
    if plane.colour is not None:
        mean = tile.reshape(-1, 3).mean(axis=0).astype(np.float32) / 255
        colours = tinted(colours, mean, plane.colour, plane.surface)
    return colours.astype(np.float32)


def _sampled(tile: NDArray[np.uint8], x: Float, y: Float) -> Float:
    read = cv2.remap(tile, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(read, np.float32) / 255
