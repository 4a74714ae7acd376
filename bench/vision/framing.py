"""Faces that a reframing cuts: people pasted on photographs, and the portraits as they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from imagerift_vision.faces import FaceFinder
from imagerift_vision.matting import SIDE, Matting
from imagerift_vision.reframing import Contents, Window, detail_of, reframe
from numpy.typing import NDArray

from bench.vision.compose import Sources, encoded, laid, linear
from bench.vision.plan import Box, Group, Person, Plan
from bench.vision.tables import Table, percent

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

RATIOS = {"9:16": 9 / 16, "1:1": 1.0, "16:9": 16 / 9}
# A face of which less is shown is left out; of which more is shown, whole.
LEFT_OUT, WHOLE = 0.02, 0.98
# The outline's softness, in pixels of the portrait.
FEATHER = 2.0
GROUND_BLUR = 0.004


@dataclass(frozen=True)
class Scene:
    """People whose faces are known."""

    name: str
    rgb: Pixels
    faces: tuple[Box, ...]
    """left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class Reframed:
    """A scene at other proportions."""

    scene: str
    aspect: str
    faces: int
    cut: int
    left_out: int
    how: str
    """`cropped`, `extended` or `bordered`."""
    found: int
    """How many faces the code found."""


def scenes(plan: Plan, sources: Sources) -> Iterator[Scene]:
    """The portraits as they are, then the groups."""
    for name, person in plan.people.items():
        yield Scene(name, sources.photo(name), (person.face,))
    for group in plan.groups:
        yield grouped(group, plan.people, sources)


def grouped(group: Group, people: dict[str, Person], sources: Sources) -> Scene:
    """The people of a group on its photograph."""
    width, height = group.size
    scene = linear(_ground(sources.photo(group.on), group.size))
    faces = []
    for place in group.people:
        stamp, face = _cut_out(people[place.who], sources.photo(place.who), place.mirrored)
        high, wide = stamp.shape[:2]
        scale = place.height / high
        left = place.x * width / height - scale * wide / 2
        top = place.bottom - place.height
        colours, alpha = laid(stamp, (left, top, scale * wide, scale * high), width, height)
        scene = colours * alpha[..., None] + scene * (1 - alpha[..., None])
        low, high_end = np.array(face).reshape(2, 2) * scale + (left, top)
        faces.append(tuple(float(edge) for edge in (*low * height, *high_end * height)))
    rgb = (encoded(scene) * 255 + 0.5).astype(np.uint8)
    return Scene(group.name, rgb, tuple(faces))


def reframed(
    scene: Scene, matting: Matting, finder: FaceFinder
) -> Iterator[tuple[Reframed, Window]]:
    """The scene at each of the proportions, as `enhance` frames it."""
    height, width = scene.rgb.shape[:2]
    found = finder.find(scene.rgb)
    interest = matting.saliency(scene.rgb)
    contents = Contents(interest, detail_of(scene.rgb, (SIDE, SIDE)), found, width, height)
    for aspect, ratio in RATIOS.items():
        window = reframe(contents, ratio)
        shares = [shown(face, window) for face in scene.faces]
        how = "cropped"
        if any(window.beyond(width, height)):
            how = "bordered" if window.bordered else "extended"
        cut = sum(LEFT_OUT < share < WHOLE for share in shares)
        left_out = sum(share <= LEFT_OUT for share in shares)
        yield Reframed(scene.name, aspect, len(shares), cut, left_out, how, len(found)), window


def shown(face: Box, window: Window) -> float:
    """The share of a face that a window shows."""
    left, top, right, bottom = face
    wide = min(right, window.left + window.width) - max(left, window.left)
    high = min(bottom, window.top + window.height) - max(top, window.top)
    return max(0.0, wide) * max(0.0, high) / ((right - left) * (bottom - top))


def table(results: Sequence[Reframed]) -> Table:
    """A row for each of the proportions."""
    made = Table(
        "Faces",
        ("aspect", "pictures", "faces", "cut", "left out", "cropped", "extended", "bordered"),
    )
    ways = ("cropped", "extended", "bordered")
    for aspect in (*RATIOS, "all"):
        rows = [result for result in results if aspect in (result.aspect, "all")]
        faces = sum(row.faces for row in rows)
        made.add(
            aspect,
            str(len(rows)),
            str(faces),
            percent(sum(row.cut for row in rows), faces),
            percent(sum(row.left_out for row in rows), faces),
            *(str(sum(row.how == how for row in rows)) for how in ways),
        )
    return made


def _ground(photo: Pixels, size: tuple[int, int]) -> Float:
    """The middle of a photo at that size, a little out of focus, 0 to 1."""
    high, wide = photo.shape[:2]
    share = min(wide / size[0], high / size[1])
    cut_wide, cut_high = round(size[0] * share), round(size[1] * share)
    x, y = (wide - cut_wide) // 2, (high - cut_high) // 2
    part = photo[y : y + cut_high, x : x + cut_wide]
    way = cv2.INTER_AREA if share > 1 else cv2.INTER_CUBIC
    ground = cv2.resize(part, size, interpolation=way).astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(ground, (0, 0), GROUND_BLUR * max(size)), np.float32)


def _cut_out(person: Person, photo: Pixels, mirrored: bool) -> tuple[Float, Box]:
    """The person, [h, w, 4] in linear light, and its face in pixels of that."""
    outline = np.array(person.outline, np.int32)
    alpha = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(alpha, [outline], 255)
    soft = cv2.GaussianBlur(alpha.astype(np.float32) / 255, (0, 0), FEATHER)
    colours = linear(photo.astype(np.float32) / 255)
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
    stamp = np.dstack([colours, soft])[top:bottom, left:right]
    near, upper, far, lower = (
        edge - start for edge, start in zip(person.face, (left, top, left, top), strict=True)
    )
    if mirrored:
        wide = stamp.shape[1]
        return stamp[:, ::-1], (wide - far, upper, wide - near, lower)
    return stamp, (near, upper, far, lower)
