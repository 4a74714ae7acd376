"""Shadows and reflections that tie the subject to the set."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.fields import blurred, each_channel
from imagerift_vision.presets import Preset
from imagerift_vision.scene.light import Lamp
from imagerift_vision.scene.placement import Grounding

Float = NDArray[np.float32]

# The long edge at which shadows are thrown: they are soft.
SHADOW_EDGE = 512


def shadow_of(
    alpha: Float, grounding: Grounding, lamp: Lamp, preset: Preset, rng: np.random.Generator
) -> Float:
    """How much light the subject takes from the set, [h, w], 0 to 1."""
    height, width = alpha.shape
    shrink = min(1.0, SHADOW_EDGE / max(height, width))
    alpha = cv2.resize(alpha, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    longest = max(alpha.shape)
    if grounding == "anchored":
        far = _shifted(blurred(alpha, 0.045 * longest), -lamp.side * 0.05, 0.015, longest)
        shadow = preset.shadow * 0.45 * far
    elif grounding == "table":
        shadow = _on_table(alpha, lamp, preset, rng)
    else:
        shadow = _on_floor(alpha, lamp, preset, rng)
    return np.asarray(cv2.resize(shadow, (width, height)), np.float32)


def _on_table(alpha: Float, lamp: Lamp, preset: Preset, rng: np.random.Generator) -> Float:
    """Seen from above: the silhouette itself, moved away from the lamp, softer the further off."""
    longest = max(alpha.shape)
    reach = float(rng.uniform(0.045, 0.065)) * (1.5 - 0.5 * preset.softness)
    down = 0.75 * reach
    total = np.zeros_like(alpha)
    # A swept silhouette is a penumbra: it leaves no gap between the subject and its shadow.
    for share, weight in ((0.25, 0.26), (0.55, 0.26), (1.0, 0.28), (1.7, 0.20)):
        sigma = (0.004 + 0.016 * share * preset.softness) * longest
        moved = _shifted(alpha, -lamp.side * reach * share, down * share, longest)
        total += weight * blurred(moved, sigma)
    contact = _shifted(blurred(alpha, 0.0045 * longest), -lamp.side * 0.003, 0.006, longest)
    return _both(preset.shadow * total, 0.55 * preset.shadow * contact)


def contact_of(alpha: Float, grounding: Grounding) -> Float:
    """[h, w]: the shadow where a subject touches its ground; 0 where it is bright."""
    if grounding == "anchored":
        return np.zeros_like(alpha)
    if grounding == "floor":
        return contact_shadow(alpha)
    longest = max(alpha.shape)
    around = _shifted(blurred(alpha, 0.008 * longest), 0, 0.007, longest)
    return np.asarray(np.clip(1.6 * around, 0, 1), np.float32)


def contact_shadow(alpha: Float) -> Float:
    """[h, w]: the shadow along the contour that a subject stands on; 0 where it is bright."""
    height, width = alpha.shape
    solid = alpha > 0.5
    columns = np.flatnonzero(solid.any(axis=0))
    if columns.size == 0:
        return np.zeros_like(alpha)
    lowest, base, subject_height = _standing(solid, columns)
    return _contact(lowest, columns, base, subject_height, (height, width))


def _standing(solid: NDArray[np.bool_], columns: NDArray[np.intp]) -> tuple[Float, float, float]:
    """The lowest row of each column, the row it stands on, and its height above that."""
    height, width = solid.shape
    lowest = np.full(width, -1.0, np.float32)
    lowest[columns] = height - 1 - np.argmax(solid[::-1, columns], axis=0)
    base = float(np.percentile(lowest[columns], 98))
    return lowest, base, max(1.0, base - float(np.flatnonzero(solid.any(axis=1))[0]))


def _on_floor(alpha: Float, lamp: Lamp, preset: Preset, rng: np.random.Generator) -> Float:
    """Seen from the front: contact along the bottom contour, the silhouette laid on the floor."""
    height, width = alpha.shape
    longest = max(height, width)
    solid = alpha > 0.5
    columns = np.flatnonzero(solid.any(axis=0))
    if columns.size == 0:
        return np.zeros_like(alpha)
    lowest, base, subject_height = _standing(solid, columns)
    contact = _contact(lowest, columns, base, subject_height, (height, width))
    flatten = float(rng.uniform(0.16, 0.26))
    shear = -lamp.side * float(rng.uniform(0.45, 0.85))
    # Canvas -> canvas: a point d above the base lands flatten*d above it, shear*d to the side.
    laid = np.array([[1, -shear, shear * base], [0, flatten, base * (1 - flatten)]], np.float32)
    cast = cv2.warpAffine(alpha, laid, (width, height), flags=cv2.INTER_LINEAR)
    near = blurred(cast, 0.008 * longest * (0.5 + preset.softness))
    far = blurred(cast, 0.030 * longest * (0.4 + preset.softness))
    distance = ((base - np.arange(height, dtype=np.float32)) / (flatten * subject_height)).clip(
        0, 1
    )
    thrown = near * (1 - distance[:, None]) * 0.55 + far * 0.75
    cast_strength = preset.shadow * 0.80 * thrown * (1 - 0.45 * distance[:, None])
    return _both(cast_strength, contact * min(1.0, preset.shadow * 1.45)).clip(0, 1)


def _contact(
    lowest: Float, columns: NDArray[np.intp], base: float, subject_height: float,
    shape: tuple[int, int],
) -> Float:  # fmt: skip
    """A dark line under the parts that stand, lighter under parts that hang above the floor."""
    height, width = shape
    longest = max(height, width)
    line = np.zeros((height, width), np.float32)
    lift = (base - lowest[columns]) / subject_height
    # Feet further up in the picture stand further back on the floor: still in contact.
    weight = np.exp(-((lift / 0.10) ** 2))
    thick = max(2, round(0.006 * longest))
    for column, row, strength in zip(columns, lowest[columns], weight, strict=True):
        start = int(row) - thick
        line[max(0, start) : max(0, int(row) + thick), column] = strength
    tight = blurred(line, 0.0035 * longest)
    wide = blurred(line, 0.022 * longest, 0.011 * longest)
    contact: Float = np.clip(0.75 * tight + 1.5 * wide, 0, 1)
    return contact


def reflect(stage: Float, colours: Float, alpha: Float, strength: float, softness: float) -> None:
    """Put the subject's mirror image into the glossy floor of a set, fading with depth."""
    height = len(alpha)
    rows = np.flatnonzero((alpha > 0.5).any(axis=1))
    if strength <= 0 or rows.size == 0:
        return
    base = int(rows[-1])
    sigma = softness * max(alpha.shape)
    deep = 0.20 * height
    # The floor's rows, and as many beside them as the blur looks at; mirrored, `base` is its row.
    above = max(0, base - math.ceil(4 * sigma), 2 * base - height)
    below = min(height, base + math.ceil(deep + 4 * sigma), 2 * base)
    if below <= base:
        return
    mirrored = slice(2 * base - below, 2 * base - above)
    image, weight = (
        blurred(np.ascontiguousarray(field[mirrored][::-1]), sigma)[base - above :]
        for field in (colours, alpha)
    )
    fade = (1 - np.arange(len(weight), dtype=np.float32) / deep).clip(0, 1) ** 1.5
    floor = stage[base:below]
    image -= floor
    image *= each_channel(weight * fade[:, None] * strength)
    floor += image


def _both(first: Float, second: Float) -> Float:
    """Two shadows over each other."""
    one = np.float32(1)
    return one - (one - first) * (one - second)


def _shifted(image: Float, right: float, down: float, longest: int) -> Float:
    """Move by shares of the longer side; what comes in repeats the border only at the bottom."""
    matrix = np.array([[1, 0, right * longest], [0, 1, down * longest]], np.float32)
    size = (image.shape[1], image.shape[0])
    moved: Float = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return moved
