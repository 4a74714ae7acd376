"""Procedural materials: seamless square tiles of wood, marble, sand and the like.

A tile is as wide as the picture at its near edge. Each is always the same; a scene takes its own
part of it.
"""

import zlib
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.colours import Colour
from imagerift_vision.scene_spec import Surface

Float = NDArray[np.float32]
Tile = NDArray[np.uint8]

EDGE = 1024
# Of a material in a colour that is asked for.
DARKEST, LIGHTEST, SATURATION = 0.055, 0.93, 0.8
DARK_MARBLE = 0.40
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@lru_cache(maxsize=2)
def tile_of(surface: Surface) -> Tile:
    """The material's tile, [EDGE, EDGE, 3] sRGB."""
    rng = np.random.default_rng(zlib.crc32(surface.encode()))
    colours = MATERIALS[surface](rng)
    return (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8)


def tinted(colours: Float, mean: Float, wanted: Colour, surface: Surface) -> Float:
    """A material in another colour: its light and dark stay, in proportion.

    Dark marble has light veins. No material is so white or black that its grain is lost.
    """
    relief = (colours @ LUMA)[..., None] / max(0.02, float(mean @ LUMA))
    pure = np.array(wanted, np.float32)
    colour = np.clip(pure @ LUMA + (pure - pure @ LUMA) * SATURATION, DARKEST, LIGHTEST)
    light = float(colour @ LUMA)
    if light < DARK_MARBLE and surface == "marble":
        veins = np.clip(1 - relief, -0.2, 1) * np.float32(1.5)
        return np.asarray(colour + (np.float32(0.80) - colour) * veins, np.float32)
    return np.asarray(colour * relief + 0.14 * max(0.0, 0.3 - light) * (relief - 1), np.float32)


def noise(rng: np.random.Generator, down: int, across: int) -> Float:
    """Smooth seamless noise of so many cells, [EDGE, EDGE], standard deviation near 1."""
    cells = rng.standard_normal((down, across)).astype(np.float32)
    smooth: Float = _spread(down) @ cells @ _spread(across).T
    return smooth


@lru_cache(maxsize=4)
def _spread(cells: int) -> Float:
    """[EDGE, cells]: what each cell of a ring gives to each pixel, by cubic B-splines."""
    places = (np.arange(EDGE) + 0.5) * cells / EDGE
    base = np.floor(places).astype(np.int64)
    t = places - base
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    # So that the noise keeps its spread: a B-spline smooths.
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    matrix = np.zeros((EDGE, cells), np.float32)
    rows = np.arange(EDGE)
    for shift in range(4):
        np.add.at(matrix, (rows, (base + shift - 1) % cells), weights[:, shift])
    return matrix


def cloud(rng: np.random.Generator, cells: int, octaves: int, gain: float = 0.5) -> Float:
    """Noise of several scales, about -2 to 2."""
    total = np.zeros((EDGE, EDGE), np.float32)
    weight, power = 1.0, 0.0
    for _ in range(octaves):
        total += weight * noise(rng, cells, cells)
        power += weight * weight
        weight *= gain
        cells *= 2
    return total / np.float32(np.sqrt(power))


def moved(field: Float, right: Float, down: Float) -> Float:
    """A seamless field read at other places, in pixels."""
    x, y = np.meshgrid(np.arange(EDGE, dtype=np.float32), np.arange(EDGE, dtype=np.float32))
    read: Float = cv2.remap(
        field, (x + right) % EDGE, (y + down) % EDGE, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    return read


def softened(field: Float, sigma: float) -> Float:
    """A seamless field without its finest parts."""
    padded = np.pad(field, 16, mode="wrap")
    soft: Float = cv2.GaussianBlur(padded, (0, 0), sigma)[16:-16, 16:-16]
    return soft


def slopes(height: Float) -> Float:
    """How far a relief is turned to a light from the upper left, about -1 to 1."""
    padded = np.pad(height, 1, mode="wrap")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    slope: Float = -(0.75 * across + 0.65 * down)
    return slope


def between(low: Colour, high: Colour, share: Float) -> Float:
    """Colours from one to another."""
    start, end = np.array(low, np.float32), np.array(high, np.float32)
    return np.asarray(start + (end - start) * np.clip(share, 0, 1)[..., None], np.float32)


def _grid() -> tuple[Float, Float]:
    line = (np.arange(EDGE, dtype=np.float32) + 0.5) / EDGE
    return np.broadcast_to(line, (EDGE, EDGE)), np.broadcast_to(line[:, None], (EDGE, EDGE))


def _wood(rng: np.random.Generator) -> Float:
    """Planks from left to right: rings, fibres, pores, seams."""
    boards = 6
    x, y = _grid()
    board = np.minimum((y * boards).astype(np.int32), boards - 1)
    within = y * boards - board
    offset = rng.uniform(0, EDGE, boards).astype(np.float32)[board]
    tone = rng.normal(0, 0.09, boards).astype(np.float32)[board]
    still = np.zeros_like(offset)
    bend = moved(noise(rng, 5, 2) + 0.45 * noise(rng, 9, 5), offset, still)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (3.2 * within + 0.9 * bend + 5 * tone))
    fibres = moved(noise(rng, 420, 5) + 0.7 * noise(rng, 900, 14), offset, still)
    pores = np.clip(moved(noise(rng, 512, 26), offset, still) - 1.35, 0, 1)
    share = 0.42 + 0.30 * rings**1.6 + 0.085 * fibres + tone + 0.05 * bend
    colours = between((0.72, 0.53, 0.36), (0.47, 0.30, 0.18), share)
    colours *= (1 - 0.28 * pores)[..., None]
    seam = np.minimum(within, 1 - within) * EDGE / boards
    ends = np.abs((x * EDGE - offset + EDGE / 2) % EDGE - EDGE / 2)
    gap = np.exp(-((seam / 1.5) ** 2)) + 0.8 * np.exp(-((ends / 1.3) ** 2))
    return colours * (1 - 0.72 * np.clip(gap, 0, 1))[..., None]


def _marble(rng: np.random.Generator) -> Float:
    """Clouds, broad veins that run one way, and fine ones across them."""
    x, y = _grid()
    broad = np.abs(np.sin(np.pi * (x + 2 * y + 0.34 * cloud(rng, 2, 7, 0.46))))
    fine = np.abs(np.sin(np.pi * (4 * x - 3 * y + 0.62 * cloud(rng, 4, 6, 0.5))))
    where = np.clip(0.45 + 0.55 * noise(rng, 4, 4), 0, 1)
    veins = where * (0.85 * np.exp(-broad * 26) + 0.42 * np.exp(-broad * 4.5))
    veins += 0.34 * np.exp(-fine * 20) * np.clip(0.25 + 0.6 * noise(rng, 5, 5), 0, 1)
    colours = between((0.95, 0.945, 0.935), (0.875, 0.875, 0.88), 0.45 + 0.3 * cloud(rng, 3, 5))
    return colours * (1 - 0.42 * np.clip(veins, 0, 1.3))[..., None]


def _concrete(rng: np.random.Generator) -> Float:
    """Blotches, trowel marks and pores."""
    share = 0.5 + 0.16 * cloud(rng, 4, 5, 0.6) + 0.05 * noise(rng, 60, 18)
    colours = between((0.55, 0.545, 0.535), (0.70, 0.695, 0.68), share)
    pits = np.clip(noise(rng, 250, 250) - 2.5, 0, 1)
    colours *= (1 - 0.4 * pits)[..., None]
    grit = rng.standard_normal((EDGE, EDGE)).astype(np.float32)
    return colours * (1 + 0.018 * grit + 0.02 * slopes(cloud(rng, 40, 3)))[..., None]


def _stone(rng: np.random.Generator) -> Float:
    """Granite: grains of three kinds in a cloudy ground."""
    colours = between((0.56, 0.54, 0.51), (0.70, 0.675, 0.635), 0.5 + 0.2 * cloud(rng, 4, 4))
    for cells, limit, change in ((170, 1.1, -0.30), (240, 1.2, 0.24), (330, 1.3, -0.24)):
        grains = np.clip((noise(rng, cells, cells) - limit) * 3, 0, 1)
        colours *= (1 + change * grains)[..., None]
    return colours


def _slate(rng: np.random.Generator) -> Float:
    """Dark layers that have split unevenly."""
    layers = cloud(rng, 4, 6, 0.62) + 0.5 * noise(rng, 26, 5)
    steps = np.floor(layers * 2.2) / 2.2 + 0.30 * layers
    shade = 1 + 0.55 * np.clip(slopes(softened(steps, 1.1)), -0.5, 0.7)
    colours = between((0.175, 0.19, 0.205), (0.285, 0.30, 0.315), 0.5 + 0.2 * layers)
    return colours * shade[..., None]


def _linen(rng: np.random.Generator) -> Float:
    """A plain weave of uneven threads, in soft folds."""
    threads = 146
    x, y = _grid()
    sway = 0.16
    across = x * threads + sway * noise(rng, 24, threads) / 2
    down = y * threads + sway * noise(rng, threads, 24) / 2
    over = (np.floor(across) + np.floor(down)) % 2
    warp = np.sin(np.pi * (across % 1)) ** 0.7 * (1 + 0.20 * noise(rng, 9, threads))
    weft = np.sin(np.pi * (down % 1)) ** 0.7 * (1 + 0.20 * noise(rng, threads, 9))
    weave = np.where(over > 0, warp, weft)
    drape = moved(noise(rng, 2, 3), 90 * noise(rng, 2, 2), 90 * noise(rng, 2, 2))
    folds = slopes(36 * softened(drape, 3))
    colours = between((0.66, 0.615, 0.54), (0.885, 0.85, 0.785), 0.25 + 0.72 * weave)
    return colours * (1 + 0.20 * np.clip(folds, -1, 1))[..., None]


def _velvet(rng: np.random.Generator) -> Float:
    """Deep folds whose slopes shine."""
    right, down = 150 * noise(rng, 2, 2), 150 * noise(rng, 2, 2)
    drape = moved(cloud(rng, 2, 2, 0.45), right, down)
    folds = slopes(60 * softened(drape, 3))
    nap = rng.standard_normal((EDGE, EDGE)).astype(np.float32)
    shine = np.clip(0.45 + 0.8 * folds, 0, 1.25) ** 1.7
    colours = between((0.17, 0.025, 0.055), (0.62, 0.13, 0.20), shine)
    return colours * (1 + 0.05 * softened(nap, 0.8))[..., None]


def _sand(rng: np.random.Generator) -> Float:
    """Ripples of the wind, and grains."""
    _, y = _grid()
    bend = 1.25 * noise(rng, 3, 4) + 0.55 * noise(rng, 6, 9)
    phase = 14 * y + bend
    wave = np.sin(2 * np.pi * phase + 0.7 * np.sin(2 * np.pi * phase))
    strength = np.clip(0.55 + 0.45 * noise(rng, 5, 5), 0.05, 1)
    grains = rng.standard_normal((EDGE, EDGE)).astype(np.float32)
    light = slopes(7 * strength * wave) + 0.2 * slopes(3 * cloud(rng, 12, 3))
    colours = between((0.74, 0.62, 0.45), (0.92, 0.825, 0.66), 0.5 + 0.42 * np.clip(light, -1, 1))
    specks = np.clip(noise(rng, 420, 420) - 2.2, 0, 1)
    return colours * (1 + 0.040 * grains - 0.35 * specks)[..., None]


def _snow(rng: np.random.Generator) -> Float:
    """Soft drifts, blue in their shade, with a few crystals."""
    light = slopes(26 * cloud(rng, 3, 4, 0.42)) + 0.25 * slopes(4 * cloud(rng, 30, 3))
    colours = between((0.83, 0.87, 0.935), (0.98, 0.982, 0.988), 0.66 + 0.5 * np.clip(light, -1, 1))
    grains = rng.standard_normal((EDGE, EDGE)).astype(np.float32)
    return colours + 0.012 * grains[..., None] + 0.10 * (grains > 3.2)[..., None]


def _water(rng: np.random.Generator) -> Float:
    """Clear water over a light ground: the net of light that ripples throw."""
    right, down = 46 * cloud(rng, 4, 3), 46 * cloud(rng, 4, 3)
    net = np.zeros((EDGE, EDGE), np.float32)
    for cells, weight in ((6, 0.75), (11, 0.45)):
        lines = moved(cloud(rng, cells, 2, 0.4), right, down)
        net += weight * np.exp(-np.abs(lines) * 5.5)
    depth = 0.5 + 0.20 * cloud(rng, 3, 3)
    colours = between((0.16, 0.47, 0.56), (0.34, 0.66, 0.71), depth)
    ripples = np.clip(slopes(18 * cloud(rng, 7, 3)), -1, 1)
    colours *= (1 + 0.16 * ripples)[..., None]
    bright = np.clip(net**2.0, 0, 1)[..., None]
    return colours + (np.array((0.86, 0.97, 0.97), np.float32) - colours) * 0.62 * bright


def _grass(rng: np.random.Generator) -> Float:
    """A mown lawn: blades over blades, the upper ones lighter."""
    canvas = np.zeros((EDGE, EDGE, 3), np.float32)
    canvas[:] = (0.10, 0.17, 0.055)
    count = 15_000
    starts = rng.uniform(0, EDGE, (count, 2))
    lengths = rng.uniform(12, 34, count)
    turns = rng.normal(-np.pi / 2, 0.75, count)
    hues = rng.uniform(0, 1, count)
    for index in range(count):
        height = index / count
        light = 0.45 + 0.62 * height + 0.12 * rng.standard_normal()
        hue = hues[index]
        colour = (light * (0.29 + 0.16 * hue), light * (0.45 + 0.05 * hue), light * 0.17)
        x, y = starts[index]
        tip = (
            x + lengths[index] * np.cos(turns[index]),
            y + lengths[index] * np.sin(turns[index]),
        )
        thick = 2 if hue > 0.3 else 1
        for right in (0, EDGE) if tip[0] < 0 else (0, -EDGE) if tip[0] > EDGE else (0,):
            for down in (0, EDGE) if tip[1] < 0 else (0, -EDGE) if tip[1] > EDGE else (0,):
                start = (round(x + right), round(y + down))
                end = (round(tip[0] + right), round(tip[1] + down))
                cv2.line(canvas, start, end, colour, thick, cv2.LINE_AA)
    return canvas * (1 + 0.10 * cloud(rng, 3, 3))[..., None]


def _brick(rng: np.random.Generator) -> Float:
    """Running bond with light mortar."""
    rows, columns = 14, 5
    x, y = _grid()
    row = np.minimum((y * rows).astype(np.int32), rows - 1)
    across = x * columns + 0.5 * (row % 2)
    column = np.floor(across).astype(np.int32) % columns
    rough = 0.05 * cloud(rng, 24, 4)
    edge_x = np.minimum(across % 1, 1 - across % 1) * EDGE / columns
    edge_y = np.minimum(y * rows - row, 1 - (y * rows - row)) * EDGE / rows
    inside = np.clip((np.minimum(edge_x, edge_y) - 4.0) / 3.0 + rough * 3, 0, 1)
    tones = rng.normal(0, 0.30, (rows, columns)).astype(np.float32)[row, column]
    face = 0.5 + tones + 0.18 * cloud(rng, 14, 4)
    bricks = between((0.43, 0.205, 0.15), (0.66, 0.36, 0.26), face)
    mortar = between((0.62, 0.585, 0.54), (0.74, 0.71, 0.665), 0.5 + 0.3 * cloud(rng, 40, 3))
    colours = mortar + (bricks - mortar) * inside[..., None]
    bevel = np.clip(slopes(3.2 * softened(inside, 1.6)), -0.6, 0.6)
    return colours * (1 + 0.30 * bevel + 0.9 * rough * inside)[..., None]


MATERIALS: dict[Surface, Callable[[np.random.Generator], Float]] = {
    "wood": _wood,
    "marble": _marble,
    "concrete": _concrete,
    "stone": _stone,
    "slate": _slate,
    "linen": _linen,
    "velvet": _velvet,
    "sand": _sand,
    "snow": _snow,
    "water": _water,
    "grass": _grass,
    "brick": _brick,
}
