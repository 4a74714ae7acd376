"""A cut-out subject on its canvas: where it stands, its shadow, and what is behind it."""

from dataclasses import dataclass

import cv2
import numpy as np
from imagerift_contract.cutouts import CutoutOptions, CutoutShadow
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.scene.grounding import contact_shadow
from imagerift_vision.scene.placement import touched_borders

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

# From here on a pixel is the subject's, where its box is measured.
VISIBLE = 0.1
# A shadow is soft: it is drawn at this long edge, and enlarged.
SHADOW_EDGE = 1024
CONTACT_STRENGTH, DROP_STRENGTH = 0.85, 0.42
# Of a drop shadow, in shares of the subject's longer side: how far down it lies, and its blur.
DROP_DOWN, DROP_BLUR = 0.030, 0.022
# Light comes from above: below the subject's top a shadow begins over this share of its height.
SHADOW_BEGINS = 0.30
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class CutSubject:
    """A cut-out in its source's coordinates."""

    colours: Pixels
    """[h, w, 3], sRGB, freed of the old backdrop."""
    alpha: Float
    """[h, w], 0 to 1."""


@dataclass(frozen=True)
class Spot:
    """From the source to the canvas: canvas = source * scale + offset, both counted from the
    pixels' outer edges."""

    scale: float
    left: float
    top: float


def spot_of(subject: CutSubject, size: tuple[int, int], options: CutoutOptions) -> Spot:
    """Where the subject stands on a canvas of `size`, width and height.

    Unless it is to be placed, it stays where the source has it. A border of the source that cuts
    it lies on the canvas' own border, so that no cut edge hangs in the air; one that is cut on two
    opposite sides takes the whole canvas.
    """
    width, height = size
    touches = touched_borders(subject.alpha > VISIBLE)
    room = (options.padding or 0.0) * min(size)
    left, top, right, bottom = _box(subject.alpha, placed=options.placed)
    fill = options.fill or 1.0
    if {"left", "right"} <= touches or {"top", "bottom"} <= touches:
        room, fill = 0.0, 1.0
    wide, high = right - left, bottom - top
    scale = min(
        min(width - 2 * room, fill * width) / wide, min(height - 2 * room, fill * height) / high
    )
    align = options.align or "center"
    across = 0.0 if "left" in align else 1.0 if "right" in align else 0.5
    down = 0.0 if "top" in align else 1.0 if "bottom" in align else 0.5
    x = _along({"left", "right"} & touches, "left", wide * scale, width, room=room, share=across)
    y = _along({"top", "bottom"} & touches, "top", high * scale, height, room=room, share=down)
    return Spot(scale, x - left * scale, y - top * scale)


def laid_out(
    subject: CutSubject, spot: Spot, size: tuple[int, int], options: CutoutOptions, guard: Guard
) -> Pixels:
    """The canvas: [height, width, 4] with straight alpha, or [height, width, 3] on a colour.

    Raises VisionError `canceled` or `timeout` between strips.
    """
    width, height = size
    warp = _Warp(subject, spot)
    shadow = _shadow(subject, spot, size, options.shadow or "none")
    paper = None if options.transparent else _colour(options.background or "")
    canvas = np.empty((height, width, 4 if paper is None else 3), np.uint8)
    for top in range(0, height, ROWS_AT_ONCE):
        guard.check()
        count = min(ROWS_AT_ONCE, height - top)
        colours, alpha = warp.rows(top, count, width)
        behind = (1 - alpha) * (0.0 if shadow is None else shadow[top : top + count])
        strip = canvas[top : top + count]
        if paper is None:
            seen = alpha + behind
            strip[..., 3] = seen * 255 + 0.5
            # A shadow is black; what nothing is seen of has no colour.
            share = alpha / np.maximum(seen, 1e-4)
            strip[..., :3] = colours * share[..., None] + 0.5
            strip[strip[..., 3] == 0] = 0
        else:
            light = 1 - alpha - behind
            strip[:] = colours * alpha[..., None] + paper * light[..., None] + 0.5
    return canvas


def _box(alpha: Float, *, placed: bool) -> Box:
    """left, top, right, bottom of what is placed: the subject, or the whole picture."""
    height, width = alpha.shape
    seen = alpha > VISIBLE
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not placed or rows.size == 0:
        return 0, 0, width, height
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _along(
    cut: set[str], first: str, length: float, whole: int, *, room: float, share: float
) -> float:
    """Where something of that length begins along one side of the canvas."""
    if len(cut) == 2:
        return (whole - length) / 2
    if cut:
        return 0.0 if first in cut else whole - length
    return room + (whole - 2 * room - length) * share


class _Warp:
    """The subject on the canvas, a strip of rows at a time."""

    def __init__(self, subject: CutSubject, spot: Spot) -> None:
        """Scale down once where that is needed: resampling alone would alias."""
        self._colours, self._alpha = subject.colours, subject.alpha
        high, wide = subject.alpha.shape
        self._left, self._top = spot.left, spot.top
        self._wide, self._high = wide * spot.scale, high * spot.scale
        if spot.scale < 1:
            size = (max(1, round(self._wide)), max(1, round(self._high)))
            self._colours = cv2.resize(self._colours, size, interpolation=cv2.INTER_AREA)
            self._alpha = cv2.resize(self._alpha, size, interpolation=cv2.INTER_AREA)

    def rows(self, top: int, count: int, width: int) -> tuple[Float, Float]:
        """Colours [count, width, 3], 0 to 255, and alpha [count, width] of the rows from `top`."""
        high, wide = self._alpha.shape
        right, down = self._wide / wide, self._high / high
        # OpenCV counts from the pixels' centres.
        matrix = np.array(
            [
                [right, 0, self._left + (right - 1) / 2],
                [0, down, self._top - top + (down - 1) / 2],
            ],
            np.float32,
        )
        size, edge = (width, count), cv2.BORDER_REPLICATE
        colours = cv2.warpAffine(
            self._colours, matrix, size, flags=cv2.INTER_CUBIC, borderMode=edge
        )
        alpha = cv2.warpAffine(self._alpha, matrix, size, flags=cv2.INTER_LINEAR, borderMode=edge)
        # Beyond the source there is nothing, however its border is cut.
        across = np.arange(width) + 0.5 - self._left
        along = np.arange(top, top + count) + 0.5 - self._top
        alpha[:, (across < 0) | (across > self._wide)] = 0
        alpha[(along < 0) | (along > self._high)] = 0
        return colours.astype(np.float32), alpha.clip(0, 1)


def _shadow(
    subject: CutSubject, spot: Spot, size: tuple[int, int], kind: CutoutShadow
) -> Float | None:
    """[height, width] of the canvas: how dark the shadow is, None for none.

    It lies below and beside the subject: no row above its top has any.
    """
    if kind == "none":
        return None
    scale = min(1.0, SHADOW_EDGE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    small = Spot(spot.scale * scale, spot.left * scale, spot.top * scale)
    _, alpha = _Warp(subject, small).rows(0, height, width)
    rows = np.flatnonzero((alpha > VISIBLE).any(axis=1))
    if rows.size == 0:
        return None
    dark = contact_shadow(alpha) * CONTACT_STRENGTH if kind == "contact" else _dropped(alpha)
    first, high = int(rows[0]), int(rows[-1]) + 1 - int(rows[0])
    begins = (np.arange(height, dtype=np.float32) - first) / max(1.0, SHADOW_BEGINS * high)
    dark = dark * begins.clip(0, 1)[:, None]
    return np.asarray(cv2.resize(dark, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _dropped(alpha: Float) -> Float:
    """The silhouette, moved down and blurred."""
    left, top, right, bottom = _box(alpha, placed=True)
    length = max(right - left, bottom - top)
    move = np.array([[1, 0, 0], [0, 1, DROP_DOWN * length]], np.float32)
    moved = cv2.warpAffine(alpha, move, alpha.shape[::-1], flags=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(
        moved, (0, 0), max(0.5, DROP_BLUR * length), borderType=cv2.BORDER_CONSTANT
    )
    return np.asarray(soft * DROP_STRENGTH, np.float32)


def _colour(text: str) -> Float:
    """A colour written as #rrggbb, 0 to 255."""
    return np.array(list(bytes.fromhex(text[1:])), np.float32)
