"""Which part of a picture to show at other proportions: faces and the subject stay whole."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.faces import Face

Float = NDArray[np.float32]
Span = tuple[float, float]

# Islands of under this share of the subject's largest part are specks.
SPECK_SHARE = 0.06
SMALLEST_SUBJECT = 0.004
# Faces under this share of the largest one's height are passers-by: they may be left out, whole.
PASSER_BY = 0.40
# Room around a face that belongs to it, as a share of its height and width.
FACE_MARGIN = 0.25
# So much over the window's length is the matte's softness, not the subject.
SLACK = 0.03
# Air around what must be kept, as a share of its length.
AIR = 0.05
# The backdrop is made at most this many times its own length.
MOST_EXTENSION = 2.2
# Height of the eyes in a portrait's frame.
EYE_LINE = 0.40
# What may be taken more off an end that the picture's border cuts.
FURTHER_CUT = 0.2
# A border that so much of the subject lies on cuts it.
CUT_SHARE = 0.06
SUBJECT_FROM = 0.5
LENGTHS_TRIED = 64
# A backdrop with less contrast than this share of the range is continued without a trace.
PLAIN_CONTRAST = 0.03


@dataclass(frozen=True)
class Window:
    """A part of the picture, in its pixels. Beyond the borders there is more to be made."""

    left: int
    top: int
    width: int
    height: int
    bordered: bool = False
    """Whether that is a plain border, because the backdrop cannot be extended there."""

    def beyond(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Pixels outside a picture of that size: left, top, right, bottom."""
        return (
            max(0, -self.left),
            max(0, -self.top),
            max(0, self.left + self.width - width),
            max(0, self.top + self.height - height),
        )


@dataclass(frozen=True)
class Contents:
    """What a picture shows."""

    interest: Float
    """[h, w], 0 to 1, at any scale: the subject's saliency."""
    detail: Float
    """[h, w] as `interest`, squared contrast: where the picture is rich, as in an animal's eyes."""
    faces: tuple[Face, ...]
    width: int
    """Of the picture, in pixels."""
    height: int

    @property
    def main_faces(self) -> tuple[Face, ...]:
        """The faces that the picture is about."""
        largest = max((_height(face) for face in self.faces), default=0.0)
        return tuple(face for face in self.faces if _height(face) >= PASSER_BY * largest)

    def faces_in(self, window: Window) -> int:
        """How many faces a window shows."""
        return sum(
            all(
                window_start <= (low + high) / 2 <= window_start + length
                for window_start, length, (low, high) in (
                    (window.left, window.width, (face.box[0], face.box[2])),
                    (window.top, window.height, (face.box[1], face.box[3])),
                )
            )
            for face in self.faces
        )


def detail_of(rgb: NDArray[np.uint8], size: tuple[int, int]) -> Float:
    """Local contrast of [H, W, 3] sRGB pixels at `size` (width, height)."""
    grey = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    light = grey.astype(np.float32) / 255
    around = cv2.GaussianBlur(light, (0, 0), 0.02 * max(size))
    rich: Float = cv2.GaussianBlur(np.abs(light - around) ** 2, (0, 0), 0.03 * max(size))
    return rich


def reframe(contents: Contents, ratio: float) -> Window:
    """The window of width / height `ratio` that keeps subject and faces.

    It is the largest one inside the picture where subject and faces fit into that; a larger one,
    beyond the borders, where only that keeps the subject whole. A person whom the picture cuts
    already is shown from the head down to the chest rather than with an invented surrounding; but
    no face is ever cut, and where the backdrop cannot be extended far enough for that, the picture
    gets a border.
    """
    axis = 0 if contents.width / contents.height > ratio else 1
    width, height = contents.width, contents.height
    if axis == 0:
        length = min(width, max(1, round(height * ratio)))
    else:
        length = min(height, max(1, round(width / ratio)))
    start, shown = _with_whole_faces(contents, axis, *_along(contents, axis, length))
    if shown <= length:
        return Window(start, 0, length, height) if axis == 0 else Window(0, start, width, length)
    whole = height if axis == 0 else width
    across = round(shown / ratio if axis == 0 else shown * ratio)
    other = _share_out(contents, 1 - axis, across)
    busy = not _is_plain(contents, 1 - axis, other < 0, other + across > whole)
    bordered = (
        across > MOST_EXTENSION * whole + 1
        or all(_cut_ends(contents, 1 - axis))
        or (busy and _faces_need(contents, axis) > length)
    )
    if bordered:
        other = (whole - across) // 2
    if axis == 0:
        return Window(start, other, shown, across, bordered)
    return Window(other, start, across, shown, bordered)


def _faces_need(contents: Contents, axis: int) -> float:
    """The length on an axis that all main faces take together."""
    whole = contents.width if axis == 0 else contents.height
    rooms = [_face_room(face, axis, whole) for face in contents.main_faces]
    return max((r[1] for r in rooms), default=0.0) - min((r[0] for r in rooms), default=0.0)


def _with_whole_faces(contents: Contents, axis: int, start: int, length: int) -> tuple[int, int]:
    """The nearest window on an axis that cuts no face: shifted, or longer where it must be."""
    whole = contents.width if axis == 0 else contents.height
    main = {id(face) for face in contents.main_faces}
    kept = [_face_room(face, axis, whole) for face in contents.faces if id(face) in main]
    others = [_face_room(face, axis, whole) for face in contents.faces if id(face) not in main]
    if not kept:
        return start, length
    low, high = min(span[0] for span in kept), max(span[1] for span in kept)
    centre = start + length / 2
    if high - low > length:
        # The picture grows in any case: then the shoulders may come along.
        bust = _bust(contents.main_faces, axis, whole)
        low, high = min(low, math.floor(bust[0])), max(high, math.ceil(bust[1]))
        centre = (low + high) / 2
    step = max(1, whole // LENGTHS_TRIED)
    for shown in (*range(max(length, math.ceil(high - low)), whole, step), whole):
        starts = np.arange(whole - shown + 1)
        good = (starts <= low) & (starts + shown >= high)
        for near, far in others:
            for edge in (starts, starts + shown):
                good &= (edge <= near) | (edge >= far)
        if good.any():
            off = np.where(good, np.abs(starts + shown / 2 - centre), np.inf)
            return int(np.argmin(off)), shown
    return 0, whole


def _is_plain(contents: Contents, axis: int, low: bool, high: bool) -> bool:
    """Whether the picture shows little at the ends of an axis that are to be continued."""
    cells = contents.detail if axis == 1 else contents.detail.T
    band = max(1, cells.shape[0] // 20)
    ends = [cells[:band]] * low + [cells[-band:]] * high
    return all(float(np.sqrt(end.mean())) < PLAIN_CONTRAST for end in ends)


def _face_room(face: Face, axis: int, whole: int) -> Span:
    """What of an axis belongs to a face: with hair above, and some air."""
    low, high = face.box[axis], face.box[axis + 2]
    margin = FACE_MARGIN * (high - low)
    near = min(low - margin, face.head[axis])
    return float(np.clip(np.floor(near), 0, whole)), float(
        np.clip(np.ceil(high + margin), 0, whole)
    )


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]


def _along(contents: Contents, axis: int, length: int) -> tuple[int, int]:
    """Start and length of the window on the axis that must be shortened (0 is x)."""
    whole = contents.width if axis == 0 else contents.height
    subject = _subject_span(contents, axis)
    faces = _face_span(contents.main_faces, axis, whole)
    kept = _union(subject, faces)
    if kept is None:
        return _best_start(_profile(contents, axis, whole), length), length
    if kept[1] - kept[0] <= length * (1 + SLACK):
        return _composed(contents, axis, kept, length, whole), length
    kept = _aired(kept, whole)
    low, high = _cut_ends(contents, axis)
    if faces is not None:
        bust = _aired(_bust(contents.main_faces, axis, whole), whole)
        if bust[1] - bust[0] <= length or low or high:
            return _composed(contents, axis, bust, length, whole), length
    spare = FURTHER_CUT * (kept[1] - kept[0])
    if kept[1] - kept[0] - spare * (low + high) <= length or (low and high):
        # The frame cuts the subject here already: a little more there, rather than invention.
        core = (kept[0] + spare * low, kept[1] - spare * high)
        return _composed(contents, axis, core, length, whole), length
    shown = min(whole, int(np.ceil(kept[1] - kept[0])))
    room = _room(contents, 1 - axis, shown / length)
    shown = max(length, min(shown, int(length * room)))
    return _composed(contents, axis, kept, shown, whole), shown


def _subject_span(contents: Contents, axis: int) -> Span | None:
    """From where to where the subject's mass reaches, in pixels."""
    solid = _main_parts(contents.interest)
    if float(solid.mean()) < SMALLEST_SUBJECT:
        return None
    # Thin tips count: a spire, a spoon, an outstretched hand.
    busy = np.flatnonzero(solid.sum(axis=axis) >= 2)
    cells = solid.shape[1 - axis]
    whole = contents.width if axis == 0 else contents.height
    return float(busy[0]) * whole / cells, (float(busy[-1]) + 1) * whole / cells


def _main_parts(interest: Float) -> NDArray[np.bool_]:
    """The subject without small islands."""
    solid = (interest > SUBJECT_FROM).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    if count <= 1:
        return solid.astype(bool)
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= SPECK_SHARE * areas[1:].max()
    keep[0] = False
    parts: NDArray[np.bool_] = keep[labels]
    return parts


def _face_span(faces: Sequence[Face], axis: int, whole: int) -> Span | None:
    if not faces:
        return None
    low = min(face.head[axis] for face in faces)
    high = max(face.head[axis + 2] for face in faces)
    return max(0.0, low), min(float(whole), high)


def _bust(faces: Sequence[Face], axis: int, whole: int) -> Span:
    """Head and shoulders of all faces."""
    reach = 0.55 if axis == 0 else 0.75
    low = min(face.head[axis] - (0.35 * face.size if axis == 0 else 0.0) for face in faces)
    high = max(face.head[axis + 2] + reach * face.size for face in faces)
    return max(0.0, low), min(float(whole), high)


def _union(first: Span | None, second: Span | None) -> Span | None:
    spans = [span for span in (first, second) if span is not None]
    if not spans:
        return None
    return min(span[0] for span in spans), max(span[1] for span in spans)


def _aired(span: Span, whole: int) -> Span:
    air = AIR * (span[1] - span[0])
    return max(0.0, span[0] - air), min(float(whole), span[1] + air)


def _composed(contents: Contents, axis: int, kept: Span, length: int, whole: int) -> int:
    """Where a window starts that holds `kept`, as well composed as that allows."""
    wanted = (kept[0] + kept[1] - length) / 2
    faces = contents.main_faces
    if axis == 1 and faces:
        wanted = float(np.mean([_eye_height(face) for face in faces])) - EYE_LINE * length
        # Hair is higher than any landmark: never start below the head's top.
        wanted = min(wanted, kept[0])
    else:
        # What lies beside the subject pulls a little: a shadow, a reflection, a second object.
        pull = _best_start(_profile(contents, axis, whole), length)
        wanted = 0.7 * wanted + 0.3 * pull
    if kept[1] - kept[0] <= length:
        wanted = min(max(wanted, kept[1] - length), kept[0])
    return round(min(max(wanted, 0.0), float(whole - length)))


def _eye_height(face: Face) -> float:
    return float(face.mesh[[33, 263, 133, 362], 1].mean())


def _profile(contents: Contents, axis: int, whole: int) -> Float:
    """Interest along an axis, one value a pixel."""
    rich = contents.interest * contents.detail
    profile = rich.sum(axis=axis)[None].astype(np.float32)
    stretched: Float = cv2.resize(profile, (whole, 1), interpolation=cv2.INTER_LINEAR)[0]
    return stretched


def _best_start(profile: Float, length: int) -> int:
    """Start of the window that holds most interest; the middle one when all tie."""
    sums = np.cumsum(np.concatenate([[0.0], profile]))
    starts = np.arange(profile.size - length + 1)
    held = sums[starts + length] - sums[starts]
    off_centre = np.abs(starts - (profile.size - length) / 2) / max(1, profile.size)
    return int(np.argmax(held - off_centre * (0.05 * sums[-1] + 1e-3)))


def _cut_ends(contents: Contents, axis: int) -> tuple[bool, bool]:
    """Whether the subject is cut by the picture's border at the axis's low and high end."""
    solid = contents.interest > SUBJECT_FROM
    rim = max(1, solid.shape[1 - axis] // 80)
    low = solid[:, :rim].any(axis=1) if axis == 0 else solid[:rim].any(axis=0)
    high = solid[:, -rim:].any(axis=1) if axis == 0 else solid[-rim:].any(axis=0)
    return bool(low.mean() > CUT_SHARE), bool(high.mean() > CUT_SHARE)


def _room(contents: Contents, axis: int, wanted: float) -> float:
    """How many times its own length the picture may become on an axis: 1 is no extension."""
    if all(_cut_ends(contents, axis)):
        return 1.0
    return min(wanted, MOST_EXTENSION)


def _share_out(contents: Contents, axis: int, length: int) -> int:
    """Start of a window longer than the picture: never beyond a border that cuts the subject."""
    whole = contents.width if axis == 0 else contents.height
    low, high = _cut_ends(contents, axis)
    if low and not high:
        return 0
    if high and not low:
        return whole - length
    span = _subject_span(contents, axis)
    if span is None:
        return (whole - length) // 2
    # The subject comes to the middle, as far as all of the picture is still shown.
    wanted = (span[0] + span[1] - length) / 2
    return round(min(max(wanted, float(whole - length)), 0.0))
