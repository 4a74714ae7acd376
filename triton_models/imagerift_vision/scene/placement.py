"""Where the subject stands on the canvas, and what it stands on."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.presets import CENTRED, Composition
from imagerift_vision.scene_spec import Space

Float = NDArray[np.float32]

Grounding = Literal["floor", "table", "anchored"]
"""floor: seen from the front; table: seen from above, lies on the surface; anchored: cut by the
picture's own border, so it must keep touching the frame there."""

BORDER_SHARE = 0.04
# How deep the bottom contour sags, as a share of the subject's width, before it is seen from above.
TABLE_SAG = 0.10
# At base size; a larger canvas shows the same picture, so that all of it is larger.
MAX_ENLARGEMENT, BASE_EDGE = 6.0, 1024
# Where room is left for text: how far aside the subject stands, and how wide or high it may be.
SHIFT = 0.19
BESIDE, BELOW = 0.50, 0.56
# Nearer to the frame than this, in shares of the canvas, no composition brings a subject.
MARGIN = 0.045
ROWS_AT_ONCE = 128


@dataclass(frozen=True)
class Subject:
    """A cut-out subject in its source's coordinates."""

    colours: Float
    """[h, w, 3], 0 to 1."""
    alpha: Float
    """[h, w], 0 to 1."""
    box: tuple[int, int, int, int]
    """left, top, right, bottom of the visible part, in pixels."""
    touches: frozenset[str]
    """Borders of the picture that cut the subject."""
    grounding: Grounding
    density: int = 1
    """Pixels a side for each pixel of the source: 4 after super-resolution."""


@dataclass(frozen=True)
class Placement:
    """From source pixels to canvas pixels: canvas = source * scale + offset."""

    scale: float
    left: float
    top: float


def describe(colours: Float, alpha: Float) -> Subject:
    """Find the subject's box, the borders that cut it, and how it is grounded."""
    solid = alpha > 0.5
    rows = np.flatnonzero(solid.any(axis=1))
    columns = np.flatnonzero(solid.any(axis=0))
    height, width = alpha.shape
    if rows.size == 0:
        box = (0, 0, width, height)
    else:
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    touches = touched_borders(solid)
    return Subject(colours, alpha, box, touches, _grounding(solid, box, touches))


def touched_borders(solid: NDArray[np.bool_]) -> frozenset[str]:
    """The borders of the picture that cut what is solid in [h, w]."""
    strips = {
        "top": solid[:2].any(axis=0),
        "bottom": solid[-2:].any(axis=0),
        "left": solid[:, :2].any(axis=1),
        "right": solid[:, -2:].any(axis=1),
    }
    return frozenset(name for name, strip in strips.items() if strip.mean() > BORDER_SHARE)


def _grounding(
    solid: NDArray[np.bool_], box: tuple[int, int, int, int], touches: frozenset[str]
) -> Grounding:
    if touches:
        return "anchored"
    left, top, right, bottom = box
    part = solid[top:bottom, left:right]
    # The lowest solid pixel of each column over the middle of the width.
    lowest = part.shape[0] - np.argmax(part[::-1], axis=0)
    middle = lowest[int(part.shape[1] * 0.12) : max(1, int(part.shape[1] * 0.88))]
    sag = (np.percentile(middle, 95) - np.percentile(middle, 8)) / max(1, part.shape[1])
    hull_fill = _hull_fill(part)
    return "table" if sag > TABLE_SAG and hull_fill > 0.8 else "floor"


def _hull_fill(part: NDArray[np.bool_]) -> float:
    """Share of the convex hull that the subject fills: legs and stems leave holes below."""
    points = cv2.findNonZero(part.astype(np.uint8))
    if points is None:
        return 0.0
    area = float(cv2.contourArea(cv2.convexHull(points)))
    return float(part.sum()) / max(1.0, area)


def needed(subject: Subject, margin: int = 12) -> tuple[slice, slice]:
    """The rows and columns of its source that its placement needs."""
    height, width = subject.alpha.shape
    if subject.grounding == "anchored":
        return slice(0, height), slice(0, width)
    left, top, right, bottom = subject.box
    rows = slice(max(0, top - margin), min(height, bottom + margin))
    return rows, slice(max(0, left - margin), min(width, right + margin))


def trimmed(subject: Subject) -> Subject:
    """The subject without the empty surroundings that its placement does not need."""
    part = needed(subject)
    left, top, right, bottom = subject.box
    x0, y0 = part[1].start, part[0].start
    return replace(
        subject,
        colours=np.ascontiguousarray(subject.colours[part]),
        alpha=np.ascontiguousarray(subject.alpha[part]),
        box=(left - x0, top - y0, right - x0, bottom - y0),
    )


def densified(subject: Subject, colours: Float, density: int) -> Subject:
    """The subject with `density` times the pixels a side, given its enlarged colours."""
    height, width = subject.alpha.shape
    size = (width * density, height * density)
    alpha = cv2.resize(subject.alpha, size, interpolation=cv2.INTER_CUBIC)
    # Enlarged, the matte's edge would be a soft ramp: make it steep again.
    alpha = np.clip((alpha - 0.5) * 2.0 + 0.5, 0, 1)
    left, top, right, bottom = (edge * density for edge in subject.box)
    return replace(
        subject,
        colours=colours,
        alpha=alpha,
        box=(left, top, right, bottom),
        density=subject.density * density,
    )


def shift_of(space: Space | None) -> float:
    """How far the subject stands from the middle, in widths, where room is left beside it."""
    return {"left": SHIFT, "right": -SHIFT}.get(space or "", 0.0)


def place(
    subject: Subject,
    width: int,
    height: int,
    fill: float,
    space: Space | None = None,
    *,
    composition: Composition = CENTRED,
) -> Placement:
    """Place the subject on a canvas of `width` x `height` pixels.

    `fill` is the share of the canvas that a free-standing subject may take, `space` where it
    leaves room for text.
    """
    closer, lower = composition.closer, composition.lower
    shift = shift_of(space) + composition.aside
    left, top, right, bottom = subject.box
    wide, high = max(1, right - left), max(1, bottom - top)
    if subject.grounding == "anchored":
        return _place_anchored(subject, width, height, closer, shift)
    fill *= closer
    wide_fill, high_fill = fill, fill
    if space in ("left", "right"):
        wide_fill = min(fill, BESIDE)
    elif space == "top":
        high_fill = min(fill, BELOW)
    scale = min(
        width * wide_fill / wide,
        height * high_fill * 1.02 / high,
        _most(subject, width, height),
    )
    x = width * (0.5 + shift) - (left + right) / 2 * scale
    x = _within(x, left * scale, right * scale, width)
    if subject.grounding == "table":
        centre = (0.66 if space == "top" else 0.515) + lower
        y = height * centre - (top + bottom) / 2 * scale
        return Placement(scale, x, _within(y, top * scale, bottom * scale, height))
    # Low enough to leave air above, high enough for a floor in front.
    base = height * min(0.85, 0.5 + fill * 0.51 * min(1.0, high * scale / (height * fill)) + 0.03)
    if space == "top":
        base = height * 0.90
    y = base + height * lower - bottom * scale
    return Placement(scale, x, _within(y, top * scale, bottom * scale, height))


def _within(offset: float, start: float, end: float, length: int) -> float:
    """The offset nearest to `offset` that keeps start to end off the frame, if there is room."""
    margin = min(MARGIN * length, max(0.0, (length - (end - start)) / 2))
    return min(max(offset, margin - start), length - margin - end)


def _place_anchored(
    subject: Subject, width: int, height: int, closer: float, aside: float
) -> Placement:
    source_height, source_width = subject.alpha.shape
    left, top, right, bottom = subject.box
    cut = subject.touches
    scale = min(width * 0.86 / (right - left), height * 0.88 / (bottom - top))
    if "left" in cut or "right" in cut:
        scale = max(scale, width / source_width)
    if {"top", "bottom"} <= cut:
        scale = max(scale, height / source_height)
    if cut <= {"bottom"}:
        scale *= closer
    scale = min(scale, 2 * _most(subject, width, height))
    x = _anchor("left" in cut, "right" in cut, left * scale, right * scale, width)
    if not cut & {"left", "right"}:
        x = _within(x + aside * width, left * scale, right * scale, width)
    y = _anchor("top" in cut, "bottom" in cut, top * scale, bottom * scale, height)
    if "top" not in cut:
        # Never cut the head off: rather let the frame cut more of what it cuts already.
        y = max(y, height * 0.06 - top * scale)
    return Placement(scale, x, y)


def _most(subject: Subject, width: int, height: int) -> float:
    """How much a subject is enlarged at most."""
    return MAX_ENLARGEMENT * max(1.0, max(width, height) / BASE_EDGE) / subject.density


def _anchor(low: bool, high: bool, start: float, end: float, length: int) -> float:
    if low and high:
        return (length - (start + end)) / 2
    if low:
        return -start
    if high:
        return length - end
    return length / 2 - (start + end) / 2


def warp(subject: Subject, placement: Placement, width: int, height: int) -> tuple[Float, Float]:
    """The subject on the canvas: colours [height, width, 3] and alpha [height, width]."""
    view = Warp(subject, placement, width)
    colours, alpha = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    for top in range(0, height, ROWS_AT_ONCE):
        rows = slice(top, min(top + ROWS_AT_ONCE, height))
        reach = view.columns(top, rows.stop - top)
        if reach is not None:
            here = (rows, slice(*reach))
            colours[here], alpha[here] = view.part(top, rows.stop - top, *reach)
    return colours, alpha


class Warp:
    """The subject on the canvas, a strip of rows at a time, so that a large canvas needs no more
    memory than a strip."""

    def __init__(self, subject: Subject, placement: Placement, width: int) -> None:
        """Scale down once where that is needed: resampling alone would alias."""
        self._colours, self._alpha = subject.colours, subject.alpha
        self._placement = placement
        self._width = width
        self._scale = placement.scale
        # At a border that cuts the subject the alpha must go on to the frame's edge.
        self._border = cv2.BORDER_REPLICATE if subject.touches else cv2.BORDER_CONSTANT
        if placement.scale < 0.75:
            high, wide = subject.alpha.shape
            size = (max(1, round(wide * self._scale)), max(1, round(high * self._scale)))
            self._colours = cv2.resize(self._colours, size, interpolation=cv2.INTER_AREA)
            self._alpha = cv2.resize(self._alpha, size, interpolation=cv2.INTER_AREA)
            self._scale = 1.0

    def columns(self, top: int, count: int) -> tuple[int, int] | None:
        """The first column that the subject may be seen in, of those rows, and the one after the
        last; None where it is in none."""
        if self._border == cv2.BORDER_REPLICATE:
            return 0, self._width
        high, wide = (side * self._scale for side in self._alpha.shape)
        beyond = self._scale + 1
        above, left = self._placement.top, self._placement.left
        first, last = math.floor(left - beyond), math.ceil(left + wide + beyond)
        first, last = max(0, first), min(self._width, last)
        seen = above - beyond < top + count and top < above + high + beyond and first < last
        return (first, last) if seen else None

    def part(self, top: int, count: int, left: int, right: int) -> tuple[Float, Float]:
        """Colours [count, right - left, 3] and alpha of the rows from `top` on."""
        matrix = np.array(
            [
                [self._scale, 0, self._placement.left - left],
                [0, self._scale, self._placement.top - top],
            ],
            np.float32,
        )
        size = (right - left, count)
        colours = cv2.warpAffine(
            self._colours, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        alpha = cv2.warpAffine(
            self._alpha, matrix, size, flags=cv2.INTER_LINEAR, borderMode=self._border
        )
        return colours.clip(0, 1), alpha.clip(0, 1)
