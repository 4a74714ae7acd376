"""Lays cut-outs with true alpha on photographs: a picture, and the matte that it should give.

What tells a pasted thing from a photographed one is matched: the light's strength, colour and
direction, a shadow, sharpness and noise, which are the whole picture's. The same picture of the
plan gives the same bytes.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.vision.plan import Box, Picture, Plan

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Width / height of the pictures, and their longer side in pixels.
RATIOS = (4 / 3, 1.0, 3 / 4)
SHORTEST, LONGEST = 320, 640
# Small cut-outs are enlarged so much at most, where the shortest picture allows it.
MOST_ENLARGED = 1.5
# How much of the canvas one thing takes, and several together.
FILL, CUT_FILL, SEVERAL_FILL = (0.4, 0.75), (0.75, 0.95), 0.9
# How much of a thing the frame cuts off.
CUT_OFF = (0.2, 0.35)
# How far a thing takes on the light (strength, colour) of its surroundings, as exponents.
MATCHED = (0.35, 0.25)
# The same where little contrast is wanted; there the ground comes as far towards the thing.
LITTLE_CONTRAST = (0.6, 0.5)
MOST_GAIN = 1.7
SHADOW = 0.45
# In shares of the longer side; the ground is as sharp as the thing, or a little less.
SHADOW_BLUR, FOCUS = 0.03, (0.0005, 0.004)
JPEG_QUALITY = 92
# Alpha above this is glass, below it the light that falls through; a glass is nowhere opaque.
GLASS_FROM, OPAQUE_FROM = 0.12, 0.9


@dataclass(frozen=True)
class Composite:
    """A picture whose matte is known."""

    rgb: Pixels
    """[h, w, 3], sRGB."""
    reference: Float | None
    """[h, w], 0 to 1: all zero where there is no subject; None where nobody knows."""


class Sources:
    """The files that the provisioning brought."""

    def __init__(self, plan: Plan, root: Path) -> None:
        """`root` holds PACKAGE/FILE."""
        self._plan = plan
        self._root = root

    def stamp(self, name: str) -> Float:
        """[h, w, 4] of a cut-out, trimmed: linear light, not multiplied by alpha."""
        path = self._root / self._plan.stamps_from / f"{name}.png"
        rgba = np.asarray(Image.open(path).convert("RGBA"), np.float32) / 255
        return trimmed(np.dstack([linear(rgba[..., :3]), rgba[..., 3]]))

    def photo(self, name: str) -> Pixels:
        """[h, w, 3] of a photograph, not much larger than any picture of the bench."""
        photo = self._plan.photos[name]
        image = Image.open(self._root / photo.package / photo.file)
        image.draft("RGB", (2 * LONGEST, 2 * LONGEST))
        return np.asarray(image.convert("RGB"))

    def composite(self, picture: Picture) -> Composite:
        """The picture; a photograph without cut-outs as it is, but for its size."""
        photo = self.photo(picture.on)
        if picture.stamps:
            stamps = [self.stamp(name) for name in picture.stamps]
            return compose(picture, stamps, photo, self._plan.photos[picture.on].crop)
        rgb = shrunk(photo)
        empty = np.zeros(rgb.shape[:2], np.float32) if picture.kind == "no subject" else None
        return Composite(rgb, empty)


def compose(picture: Picture, stamps: list[Float], photo: Pixels, crop: Box) -> Composite:
    """[h, w, 4] cut-outs in linear light on the part `crop` of an [h, w, 3] photo."""
    rng = np.random.default_rng(picture.seed)
    ratio = float(rng.choice(RATIOS))
    boxes = _boxes(picture, [stamp.shape[:2] for stamp in stamps], ratio, rng)
    width, height = _size(stamps, boxes, ratio)
    ground = _ground(photo, crop, (width, height), rng)
    little = picture.kind == "low contrast"
    alpha = np.zeros((height, width), np.float32)
    scene = ground
    direction = rng.uniform(0, 2 * np.pi)
    for stamp, box in zip(stamps, boxes, strict=True):
        mirrored = stamp[:, ::-1] if rng.random() < 0.5 else stamp
        colours, own = laid(mirrored, box, width, height)
        colours, scene = _lit(colours, own, scene, LITTLE_CONTRAST if little else MATCHED, little)
        scene *= 1 - SHADOW * _shadow(own, direction)[..., None] * (1 - own[..., None])
        scene = colours * own[..., None] + scene * (1 - own[..., None])
        alpha = np.maximum(alpha, silhouette(own))
    sharpness = float(rng.uniform(0.4, 0.8))
    scene = cv2.GaussianBlur(scene * _slope(width, height, direction), (0, 0), sharpness)
    reference = cv2.GaussianBlur(alpha, (0, 0), sharpness).clip(0, 1)
    return Composite(_photographed(scene, rng), reference)


def trimmed(stamp: Float) -> Float:
    """Without the transparent rows and columns around it."""
    seen = stamp[..., 3] > 1 / 255
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return stamp[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def silhouette(alpha: Float) -> Float:
    """The whole of a tumbler: it belongs to the subject also where one sees through it."""
    if alpha.max() >= OPAQUE_FROM:
        return alpha
    hull = cv2.convexHull(cv2.findNonZero((alpha > GLASS_FROM).astype(np.uint8)))
    filled = np.zeros(alpha.shape, np.uint8)
    cv2.fillConvexPoly(filled, hull, 255, lineType=cv2.LINE_AA)
    return filled.astype(np.float32) / 255


def linear(srgb: Float) -> Float:
    """sRGB values from 0 to 1 in linear light."""
    light: Float = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def encoded(light: Float) -> Float:
    """Linear light as sRGB values from 0 to 1."""
    light = light.clip(0, 1)
    srgb: Float = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return srgb.astype(np.float32)


def shrunk(rgb: Pixels, longest: int = LONGEST) -> Pixels:
    """At most so many pixels a side."""
    height, width = rgb.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _boxes(
    picture: Picture, sizes: list[tuple[int, int]], ratio: float, rng: np.random.Generator
) -> list[Box]:
    """Where each thing lies, in heights of the canvas: left, top, width, height."""
    if len(sizes) > 1:
        return _row(sizes, ratio, rng)
    high, wide = sizes[0]
    fill = CUT_FILL if picture.cut else FILL
    scale = float(rng.uniform(*fill)) * min(ratio / wide, 1 / high)
    wide_share, high_share = wide * scale, high * scale
    left = (ratio - wide_share) * float(rng.uniform(0.35, 0.65))
    top = (1 - high_share) * float(rng.uniform(0.4, 0.75))
    off = float(rng.uniform(*CUT_OFF))
    if picture.cut == "left":
        left = -off * wide_share
    elif picture.cut == "right":
        left = ratio - (1 - off) * wide_share
    elif picture.cut == "bottom":
        top = 1 - (1 - off) * high_share
    return [(left, top, wide_share, high_share)]


def _row(sizes: list[tuple[int, int]], ratio: float, rng: np.random.Generator) -> list[Box]:
    """Things beside each other, as high as each other but for a fifth, on one line."""
    heights = [float(rng.uniform(0.8, 1.0)) for _ in sizes]
    widths = [share * wide / high for share, (high, wide) in zip(heights, sizes, strict=True)]
    scale = min(SEVERAL_FILL * ratio / sum(widths), 0.7)
    left = (ratio - scale * sum(widths)) / 2
    bottom = 0.85
    boxes = []
    for wide, high in zip(widths, heights, strict=True):
        lower = bottom + float(rng.uniform(-0.03, 0.03))
        boxes.append((left, lower - scale * high, scale * wide, scale * high))
        left += scale * wide
    return boxes


def _size(stamps: list[Float], boxes: list[Box], ratio: float) -> tuple[int, int]:
    """Width and height of the canvas, so that no cut-out is enlarged much."""
    dearest = min(
        MOST_ENLARGED * stamp.shape[0] / box[3] for stamp, box in zip(stamps, boxes, strict=True)
    )
    longer = float(np.clip(dearest * max(1.0, ratio), SHORTEST, LONGEST))
    height = longer / max(1.0, ratio)
    return round(height * ratio), round(height)


def _ground(photo: Pixels, crop: Box, size: tuple[int, int], rng: np.random.Generator) -> Float:
    """A part of the photo in linear light, a little out of focus."""
    high, wide = photo.shape[:2]
    left, top = round(crop[0] * wide), round(crop[1] * high)
    part = photo[top : round(crop[3] * high), left : round(crop[2] * wide)]
    high, wide = part.shape[:2]
    share = float(rng.uniform(0.75, 1.0)) * min(wide / size[0], high / size[1])
    cut_wide, cut_high = round(size[0] * share), round(size[1] * share)
    x = int(rng.integers(0, wide - cut_wide + 1))
    y = int(rng.integers(0, high - cut_high + 1))
    part = part[y : y + cut_high, x : x + cut_wide]
    way = cv2.INTER_AREA if share > 1 else cv2.INTER_CUBIC
    ground = linear(cv2.resize(part, size, interpolation=way).astype(np.float32) / 255)
    focus = float(rng.uniform(*FOCUS)) * max(size)
    return np.asarray(cv2.GaussianBlur(ground, (0, 0), focus), np.float32)


def laid(stamp: Float, box: Box, width: int, height: int) -> tuple[Float, Float]:
    """A cut-out at its place: colours [h, w, 3] and alpha [h, w]."""
    size = (max(1, round(box[2] * height)), max(1, round(box[3] * height)))
    way = cv2.INTER_AREA if size[0] < stamp.shape[1] else cv2.INTER_CUBIC
    # Multiplied by alpha, since colours under transparent pixels are arbitrary.
    ready = np.dstack([stamp[..., :3] * stamp[..., 3:], stamp[..., 3]])
    ready = cv2.resize(ready, size, interpolation=way).clip(0, 1)
    left, top = round(box[0] * height), round(box[1] * height)
    canvas = np.zeros((height, width, 4), np.float32)
    x, y = max(0, left), max(0, top)
    right, bottom = min(width, left + size[0]), min(height, top + size[1])
    canvas[y:bottom, x:right] = ready[y - top : bottom - top, x - left : right - left]
    own = canvas[..., 3]
    return (canvas[..., :3] / np.maximum(own[..., None], 1e-4)).clip(0, 1), own


def _lit(
    colours: Float, own: Float, ground: Float, matched: tuple[float, float], both: bool
) -> tuple[Float, Float]:
    """The thing in its surroundings' light; with `both` the ground comes to meet it."""
    near = cv2.GaussianBlur(own, (0, 0), 0.05 * max(own.shape)) + 1e-4
    thing = np.average(colours.reshape(-1, 3), axis=0, weights=own.reshape(-1) + 1e-9) + 0.01
    around = np.average(ground.reshape(-1, 3), axis=0, weights=near.reshape(-1)) + 0.01
    strength = around.mean() / thing.mean()
    tint = (around / around.mean()) / (thing / thing.mean())
    gain = (strength ** matched[0] * tint ** matched[1]).clip(1 / MOST_GAIN, MOST_GAIN)
    if both:
        ground = ground * (thing * gain / around).clip(1 / MOST_GAIN, MOST_GAIN)
    return (colours * gain).astype(np.float32), ground.astype(np.float32)


def _shadow(own: Float, direction: float) -> Float:
    """A soft shadow beside and below, 0 to 1."""
    longer = max(own.shape)
    move = np.array([[1, 0, -0.02 * longer * np.cos(direction)], [0, 1, 0.02 * longer]], np.float32)
    moved = cv2.warpAffine(own, move, own.shape[::-1])
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), SHADOW_BLUR * longer), np.float32)


def _slope(width: int, height: int, direction: float) -> Float:
    """The light's fall over the whole picture, [h, w, 1]."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope: Float = 1 + 0.12 * (np.float32(np.cos(direction)) * x - 0.5 * y)
    return slope[..., None]


def _photographed(scene: Float, rng: np.random.Generator) -> Pixels:
    """With a sensor's noise and a camera's compression."""
    srgb = encoded(scene)
    noise = float(rng.uniform(0.004, 0.012))
    srgb = srgb + rng.normal(0, noise, (*srgb.shape[:2], 1)).astype(np.float32)
    srgb = srgb + rng.normal(0, noise / 2, srgb.shape).astype(np.float32)
    rgb = (srgb.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return _compressed(rgb)


def _compressed(rgb: Pixels) -> Pixels:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(back, cv2.COLOR_BGR2RGB), np.uint8)
