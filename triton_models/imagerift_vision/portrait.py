"""A head-and-shoulders portrait out of any photograph with a face."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Box, People
from imagerift_vision.backlight import balanced
from imagerift_vision.encoding import on_white
from imagerift_vision.errors import VisionError
from imagerift_vision.faces import Face, FaceFinder, Iris
from imagerift_vision.matting import Matting, own_matte

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Height of the frame in heights of the face, from hairline to chin; less where the picture ends.
FRAME = 2.4
TIGHTEST_FRAME = 1.7
EYE_LINE = 0.44
# So much of a face beyond the border is more than its hairline.
CUT_FACE = 0.08
# How far the face may be off the middle, as a share of the frame's width: where a person stands at
# the border, the frame rather goes beyond it than to leave most of itself empty.
OFF_MIDDLE = 0.14
# A border of the picture that cuts the person fades out over this share of the frame.
FADE_SHARE = 0.07
MATTE_EDGE = 768
# How much nearer shoulders count that may be the portrayed person's or a neighbour's.
FRONT = 0.5
# How far a neighbour's hair may reach beyond the usual outline of a head.
HAIR = 1.35


@dataclass(frozen=True)
class Portrait:
    """A portrait on its canvas."""

    rgb: Pixels
    """[h, w, 3], sRGB; what lies beyond the picture is its border's colour."""
    alpha: Float
    """[h, w], 0 to 1: the person."""
    face: Face
    irises: tuple[Iris, Iris]
    """Of the person's left and right eye."""
    matted: bool
    """Whether the old backdrop shines through at the matte's edge, as it does not under the
    picture's own alpha."""
    people: People
    """Those in the photograph; the box is the face that was taken."""

    @property
    def unit(self) -> float:
        """The face's height in pixels."""
        return float(self.face.box[3] - self.face.box[1])


def portray(
    rgba: Pixels,
    width: int,
    height: int,
    finder: FaceFinder,
    matting: Matting,
    *,
    masked: bool = False,
) -> Portrait:
    """The most prominent person of [H, W, 4] pixels on a canvas of `width` x `height`.

    `masked` says that the alpha is the caller's own matte of a picture with its backdrop.
    Raises VisionError `no_face_found`.
    """
    rgb = np.ascontiguousarray(rgba[..., :3])
    own = own_matte(rgba[..., 3], masked=masked)
    if own is None:
        rgb = on_white(rgba)
    elif not masked:
        share = own.alpha[..., None]
        rgb = (rgb * share + 200 * (1 - share)).astype(np.uint8)
    faces = finder.find(rgb)
    if not faces:
        raise VisionError("no_face_found", "no face was found in the picture")
    face = _most_prominent(faces, rgb.shape[1], rgb.shape[0])
    left, top, frame = _frame(face, rgb.shape[1], rgb.shape[0], width / height)
    scale = height / frame
    view = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
    source, shrink = rgb, 1.0
    if scale < 0.7:
        shrink = scale
        size = (max(1, round(rgb.shape[1] * shrink)), max(1, round(rgb.shape[0] * shrink)))
        source = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    near = view.copy()
    near[:, :2] /= shrink
    canvas = cv2.warpAffine(
        source, near, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    placed = face.moved(scale, -left * scale, -top * scale)
    if own is not None:
        alpha = cv2.warpAffine(own.alpha, view, (width, height), flags=cv2.INTER_LINEAR)
    else:
        alpha = _person(canvas, placed, matting)
    others = [
        other.moved(scale, -left * scale, -top * scale) for other in faces if other is not face
    ]
    alpha = _alone(alpha, placed, others)
    canvas = balanced(canvas, alpha, placed)
    alpha = alpha * _inside(view, rgb.shape[1], width, height)
    return Portrait(
        canvas, alpha.astype(np.float32), placed, finder.irises(canvas, placed),
        own is None or masked,
        People(len(faces), 1, _share(face, rgb.shape[1], rgb.shape[0])),
    )  # fmt: skip


def _most_prominent(faces: tuple[Face, ...], width: int, height: int) -> Face:
    """The first face that the picture's border does not cut.

    Raises VisionError `no_face_found` where it cuts them all: nobody knows the rest.
    """
    for face in faces:
        beyond = (face.mesh[:, :2] < 0) | (face.mesh[:, :2] > (width, height))
        if float(beyond.any(axis=1).mean()) <= CUT_FACE:
            return face
    raise VisionError(
        "no_face_found", "the border of the picture cuts the face: an avatar needs all of it"
    )


def _share(face: Face, width: int, height: int) -> Box:
    left, top, right, bottom = (
        round(min(max(side / length, 0.0), 1.0), 4)
        for side, length in zip(face.box, (width, height) * 2, strict=True)
    )
    return left, top, right, bottom


def _alone(alpha: Float, face: Face, others: list[Face]) -> Float:
    """The matte [h, w] of the face's person, without those who stand so near that it is theirs too.

    Each place belongs to the nearest head, or below the heads to the nearest shoulders.
    """
    height, width = alpha.shape
    near = [other for other in others if other.head[2] > -width and other.head[0] < 2 * width]
    if not near:
        return alpha
    own = _remoteness(face, width, height)
    theirs = np.min([_remoteness(other, width, height) for other in near], axis=0)
    # The most prominent person is mostly in front: rather a bit of a strange shoulder than none.
    below = np.arange(height, dtype=np.float32)[:, None] - face.box[3]
    own = own * (1 - (1 - FRONT) * np.clip(4 * below / face.size, 0, 1))
    # Hair is where the heads' outlines are least certain.
    theirs = np.where((theirs < HAIR) & (own > 1), 0, theirs)
    # The face itself is the person's in any case, though another's hair hangs over it.
    left, top, right, bottom = face.box
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    inside = np.hypot(
        (xs - (left + right) / 2) / (0.5 * (right - left)),
        (ys - (top + bottom) / 2) / (0.5 * (bottom - top)),
    )
    mine = ((own < theirs) | (inside < 1)).astype(np.float32)
    soft = cv2.GaussianBlur(mine, (0, 0), 0.02 * (bottom - top))
    return _connected(alpha * soft, face)


def _remoteness(face: Face, width: int, height: int) -> Float:
    """[h, w]: distance from a person, 1 at the head's outline and at the shoulders' ends."""
    left, top, right, bottom = face.head
    wide, high = (right - left) / 2, (bottom - top) / 2
    xs = np.abs(np.arange(width, dtype=np.float32) - (left + right) / 2)
    ys = np.arange(height, dtype=np.float32) - (top + bottom) / 2
    head = np.hypot(xs[None] / wide, ys[:, None] / high)
    # From the neck down to where the arms begin the outline widens.
    slope = np.clip(ys / high - 0.7, 0, 1)[:, None]
    body = np.maximum(xs[None] / (wide * (0.8 + slope)), np.clip(1 - ys / high, 0, None)[:, None])
    away: Float = np.where(ys[:, None] > 0, np.minimum(head, body), head).astype(np.float32)
    return away


def _connected(alpha: Float, face: Face) -> Float:
    """The part of a matte that the face is in."""
    height, width = alpha.shape
    left, top, right, bottom = face.box
    x, y = round((left + right) / 2), round((top + bottom) / 2)
    _, labels = cv2.connectedComponents((alpha > 0.15).astype(np.uint8))
    own = labels[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
    part: Float = np.where(labels == own, alpha, 0).astype(np.float32)
    return part


def _frame(face: Face, width: int, height: int, ratio: float) -> tuple[float, float, float]:
    """left, top and height of the frame in the picture's pixels."""
    left, top, right, bottom = face.box
    size = max(bottom - top, (right - left) * 1.05)
    frame = FRAME * size
    # Rather closer than beyond the picture's sides, where the shoulders would end in the air.
    frame = max(min(frame, width / ratio), min(frame, TIGHTEST_FRAME * size))
    # Hair that the picture's border cuts is cut by the frame as well, not in mid-air.
    cut_above = face.head[1] < 0
    if cut_above:
        frame = min(frame, float(height))
    eyes = float(face.mesh[[33, 263, 133, 362], 1].mean())
    start = eyes - EYE_LINE * frame
    # The hair must be in, the chest must not end above the frame's lower edge.
    start = min(start, face.head[1] - 0.02 * frame, height - frame)
    if cut_above:
        start = max(start, 0.0)
    middle = (left + right) / 2 - ratio * frame / 2
    if ratio * frame <= width:
        inside = min(max(middle, 0.0), width - ratio * frame)
        most = OFF_MIDDLE * ratio * frame
        middle = min(max(inside, middle - most), middle + most)
    return middle, start, frame


def _person(canvas: Pixels, face: Face, matting: Matting) -> Float:
    """The matte of the person the face belongs to."""
    height, width = canvas.shape[:2]
    scale = min(1.0, MATTE_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    alpha = matting.matte(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)).alpha
    alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    # The face itself is the person, whatever the network thought of it.
    oval = np.zeros((height, width), np.float32)
    left, top, right, bottom = face.box
    centre = (round((left + right) / 2), round((top + bottom) / 2))
    axes = (max(1, round((right - left) * 0.46)), max(1, round((bottom - top) * 0.48)))
    cv2.ellipse(oval, centre, axes, 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    alpha = np.maximum(alpha, cv2.GaussianBlur(oval, (0, 0), 0.01 * (bottom - top)))
    return _connected(alpha, face)


def _inside(view: Float, width: int, wide: int, high: int) -> Float:
    """1 inside the picture, fading out at its sides and top where they lie in the frame."""
    scale = float(view[0, 0])
    left, top = float(view[0, 2]), float(view[1, 2])
    fade = FADE_SHARE * max(wide, high)
    xs, ys = np.arange(wide, dtype=np.float32), np.arange(high, dtype=np.float32)
    across, down = np.ones(wide, np.float32), np.ones(high, np.float32)
    if left > 1:
        across = across * np.clip((xs - left) / fade, 0, 1)
    if left + width * scale < wide - 1:
        across = across * np.clip((left + width * scale - xs) / fade, 0, 1)
    if top > 1:
        down = down * np.clip((ys - top) / (0.4 * fade), 0, 1)
    return down[:, None] * across[None]
