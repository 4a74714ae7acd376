"""Products to be photographed, drawn: cut out, each with a label and fine texture of its own.

Needs numpy and Pillow alone.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]

SHAPES = ("bottle", "box", "mug", "plate", "tube")
COLOURS = ((200, 36, 28), (28, 90, 170), (236, 214, 150), (30, 32, 36))
PRODUCTS = [(shape, colour) for shape in SHAPES for colour in range(len(COLOURS))]
# What lies beside each, under its alpha of 0: to be seen nowhere.
BESIDE = (9, 250, 9)


def product(shape: str, colour: int, height: int = 420, width: int = 360) -> Pixels:
    """[height, width, 4]: straight alpha, and texture that any redrawing would lose."""
    matte = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(matte)
    for left, top, right, bottom in _bars(shape):
        box = (left * width, top * height, right * width, bottom * height)
        draw.rectangle(tuple(map(round, box)), fill=255)
    if shape == "mug":
        handle = (0.55 * width, 0.38 * height, 0.80 * width, 0.66 * height)
        draw.ellipse(handle, outline=255, width=round(0.035 * width))
    elif shape == "plate":
        draw.ellipse((0.1 * width, 0.15 * height, 0.9 * width, 0.15 * height + 0.8 * width), 255)
    alpha = np.asarray(matte, np.uint8)
    rng = np.random.default_rng([SHAPES.index(shape), colour])
    shade = np.linspace(0.75, 1.2, width)[None, :, None]
    rgb = np.array(COLOURS[colour], np.float64) * shade + rng.normal(0, 14, (height, width, 3))
    label = Image.fromarray(rgb.clip(0, 255).astype(np.uint8))
    text = ImageDraw.Draw(label)
    text.text((0.42 * width, 0.58 * height), f"No {colour + 5}", fill=(250, 250, 250))
    pixels = np.array(label)
    pixels[alpha == 0] = BESIDE
    return np.dstack([pixels, alpha])


def file_of(rgba: Pixels) -> bytes:
    """The picture as a PNG."""
    out = io.BytesIO()
    Image.fromarray(rgba).save(out, "PNG")
    return out.getvalue()


def _bars(shape: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of upright boxes, in shares of the picture."""
    return {
        "bottle": [(0.34, 0.30, 0.66, 0.90), (0.44, 0.10, 0.56, 0.34)],
        "box": [(0.24, 0.22, 0.76, 0.86)],
        "mug": [(0.24, 0.30, 0.64, 0.84)],
        "plate": [],
        "tube": [(0.42, 0.14, 0.58, 0.88)],
    }[shape]
