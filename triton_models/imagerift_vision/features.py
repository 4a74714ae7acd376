"""Reshaping and painting the features of a face: larger eyes, calm skin, clean teeth."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.faces import (
    LEFT_BROW,
    LEFT_EYE,
    LEFT_LID,
    LIPS,
    MOUTH,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_LID,
    Iris,
)  # fmt: skip
from imagerift_vision.portrait import Portrait

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

CHIN, NOSE_TIP, FOREHEAD = 152, 1, 10
# Lines between teeth are drawn so much stronger than they are in the photograph, and no darker.
TEETH_CONTRAST, DEEPEST_GAP = 2.2, 0.34
# Brown is the reddest that an iris is, whatever glass or flash before it: shares of its red.
NO_RED_EYE = np.array([1.0, 0.58, 0.30], np.float32)
# Fixed point of the forward warp of landmarks: three steps are exact to a tenth of a pixel.
WARP_STEPS = 4


def reshaped(portrait: Portrait, eyes: float, jaw: float, tall: float = 0.0) -> Portrait:
    """Larger eyes and a slimmer jaw; `eyes` 0.3 shows them 1.4 times as large, `jaw` is a share.

    `tall` enlarges the eyes by so much more in height than in width.
    Smooth local warps of the whole portrait, landmarks and matte included.
    """
    height, width = portrait.alpha.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    shift_x, shift_y = _displacement(portrait, x, y, (eyes, jaw, tall))
    far_x, far_y = x + shift_x, y + shift_y
    rgb = cv2.remap(portrait.rgb, far_x, far_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(
        portrait.alpha, far_x, far_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    mesh = portrait.face.mesh.copy()
    start = mesh[:, :2].copy()
    for _ in range(WARP_STEPS):
        move_x, move_y = _displacement(portrait, mesh[:, 0], mesh[:, 1], (eyes, jaw, tall))
        mesh[:, 0], mesh[:, 1] = start[:, 0] - move_x, start[:, 1] - move_y
    face = type(portrait.face)(mesh, portrait.face.score)
    grown = 1 / (1 - eyes)
    left, right = (Iris(iris.x, iris.y, iris.radius * grown) for iris in portrait.irises)
    return Portrait(rgb, alpha, face, (left, right), portrait.matted, portrait.people)


def _displacement(
    portrait: Portrait, x: Float, y: Float, shape: tuple[float, float, float]
) -> tuple[Float, Float]:
    """Where each place takes its colour from, relative to itself; `shape` as of `reshaped`."""
    eyes, jaw, tall = shape
    shift_x, shift_y = np.zeros_like(x), np.zeros_like(y)
    for contour, iris in zip((LEFT_EYE, RIGHT_EYE), portrait.irises, strict=True):
        points = portrait.face.contour(contour)
        reach = 1.15 * float(np.ptp(points[:, 0]))
        from_x, from_y = x - iris.x, y - iris.y
        near = np.clip(1 - np.hypot(from_x, from_y) / reach, 0, 1)
        pull = eyes * near * near * (3 - 2 * near)
        shift_x -= from_x * pull
        shift_y -= from_y * np.minimum(0.62, (1 + tall) * pull)
    chin, nose = portrait.face.mesh[CHIN, :2], portrait.face.mesh[NOSE_TIP, :2]
    unit = portrait.unit
    from_x = x - (chin[0] + nose[0]) / 2
    level = (y - (0.35 * nose[1] + 0.65 * chin[1])) / (0.42 * unit)
    beside = from_x / (0.75 * unit)
    weight = np.exp(-(level**2)) * np.clip(1 - beside**2, 0, 1) ** 2
    shift_x += jaw * from_x * weight
    return shift_x.astype(np.float32), shift_y.astype(np.float32)


def area(portrait: Portrait, contour: tuple[int, ...], grow: float, soft: float) -> Float:
    """A contour's mask [h, w], 0 to 1; `grow` and `soft` in heights of the face."""
    mask = np.zeros(portrait.alpha.shape, np.uint8)
    points = np.round(portrait.face.contour(contour) * 8).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 3)
    pixels = round(abs(grow) * portrait.unit)
    if pixels:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
        mask = cv2.dilate(mask, kernel) if grow > 0 else cv2.erode(mask, kernel)
    filled: Float = mask.astype(np.float32) / 255
    sigma = soft * portrait.unit
    return cv2.GaussianBlur(filled, (0, 0), sigma) if sigma > 0.3 else filled


def skin(portrait: Portrait) -> Float:
    """Where the face is skin and nothing else, [h, w], 0 to 1."""
    mask = area(portrait, OVAL, -0.02, 0.02)
    for contour, grow in (
        (LEFT_EYE, 0.035), (RIGHT_EYE, 0.035), (LEFT_BROW, 0.02), (RIGHT_BROW, 0.02), (LIPS, 0.015),
    ):  # fmt: skip
        mask = mask * (1 - area(portrait, contour, grow, 0.012))
    # Hair that falls over the forehead is darker than the cheeks.
    luma = cv2.cvtColor(portrait.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    sure = mask > 0.9
    if sure.any():
        typical = float(np.median(luma[sure]))
        hair = np.clip((0.62 * typical - luma) / (0.15 * typical + 1), 0, 1)
        mask = mask * (1 - cv2.GaussianBlur(hair, (0, 0), 0.006 * portrait.unit + 0.3))
    return mask


def calmed(portrait: Portrait, strength: float) -> Pixels:
    """The picture with even skin: blotches and shine go, the modelling stays."""
    unit = portrait.unit
    even = portrait.rgb
    for _ in range(2):
        even = cv2.bilateralFilter(even, 0, 34, max(1.5, 0.022 * unit))
    weight = strength * skin(portrait)[..., None]
    mixed: Pixels = (portrait.rgb * (1 - weight) + even * weight + 0.5).astype(np.uint8)
    return mixed


def with_clean_teeth(picture: Float, portrait: Portrait, strength: float) -> Float:
    """[h, w, 3], 0 to 1, with an open mouth's teeth white, and the lines between them."""
    if not is_open(portrait):
        return picture
    inside = area(portrait, MOUTH, -0.004, 0.006)
    smooth = cv2.GaussianBlur(picture, (0, 0), sigmaX=0.05 * portrait.unit,
                              sigmaY=0.006 * portrait.unit)  # fmt: skip
    luma = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    level = np.clip((luma - 0.30) / 0.25, 0, 1)[..., None]
    white = np.array([0.99, 0.975, 0.955], np.float32) * np.clip(luma * 1.25, 0.55, 1)[..., None]
    teeth = smooth * (1 - 0.8 * level) + white * 0.8 * level
    teeth = teeth * (1 - _between_teeth(portrait)[..., None] * np.array([0.8, 1, 1], np.float32))
    weight = (strength * inside)[..., None]
    cleaned: Float = picture * (1 - weight) + teeth * weight
    return cleaned


def is_open(portrait: Portrait) -> bool:
    """Whether the mouth shows what is between the lips."""
    return float(np.ptp(portrait.face.contour(MOUTH)[:, 1])) >= 0.02 * portrait.unit


def _between_teeth(portrait: Portrait) -> Float:
    """The photograph's own lines between the teeth, [h, w], 0 to `DEEPEST_GAP`."""
    unit = portrait.unit
    luma = cv2.cvtColor(portrait.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) + 1
    fine = cv2.GaussianBlur(luma, (0, 0), max(0.5, 0.003 * unit))
    around = cv2.GaussianBlur(luma, (0, 0), sigmaX=0.022 * unit, sigmaY=0.008 * unit)
    gaps: Float = np.clip(TEETH_CONTRAST * (1 - fine / around), 0, DEEPEST_GAP)
    return gaps


def with_tinted_lips(picture: Float, portrait: Portrait, strength: float) -> Float:
    """[h, w, 3], 0 to 1, with fuller colour on the lips; their modelling stays."""
    lips = area(portrait, LIPS, 0.0, 0.007) * (1 - area(portrait, MOUTH, 0.0, 0.004))
    luma = cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY)[..., None]
    rose = np.array([1.32, 0.80, 0.80], np.float32) * luma
    weight = (strength * lips)[..., None]
    tinted: Float = np.clip(picture * (1 - weight) + rose * weight, 0, 1)
    return tinted


def with_bright_eyes(picture: Float, portrait: Portrait, *, drawn: float, light: float) -> Float:
    """[h, w, 3], 0 to 1, with clear whites, deep irises and catchlights.

    `drawn` (0 to 1) replaces the iris by a painted one; `light` is the side the lamp is on (-1
    left to 1 right). Eyes that are nearly shut stay as they are.
    """
    out = picture
    height, width = portrait.alpha.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for contour, iris in zip((LEFT_EYE, RIGHT_EYE), portrait.irises, strict=True):
        points = portrait.face.contour(contour)
        opening = float(np.ptp(points[:, 1]))
        if opening < 0.3 * np.ptp(points[:, 0]) * 0.5:
            continue
        inside = area(portrait, contour, 0.002, 0.005)
        radius = min(iris.radius, 0.78 * opening)
        distance = np.hypot(x - iris.x, y - iris.y) / max(radius, 1.0)
        disc = np.clip((1.0 - distance) * radius / 1.5 + 0.5, 0, 1) * inside
        white = inside * (1 - disc)
        luma = cv2.cvtColor(out.astype(np.float32), cv2.COLOR_RGB2GRAY)[..., None]
        clear = np.clip(luma * 1.12 + 0.10, 0, 0.97) * np.array([0.985, 0.985, 1.0], np.float32)
        lid = np.clip((y - points[:, 1].min()) / (0.5 * opening), 0.55, 1)[..., None]
        weight = (0.7 * white)[..., None]
        out = out * (1 - weight) + clear * (0.82 + 0.18 * lid) * weight
        painted = _iris(out, disc, distance, (y - iris.y) / max(radius, 1.0))
        weight = (drawn * disc)[..., None]
        out = out * (1 - weight) + painted * weight
        for across, down, size, shine in (
            (0.34 * light, -0.36, 0.27, 0.97), (-0.30 * light, 0.36, 0.13, 0.6),
        ):  # fmt: skip
            spot = np.hypot(x - iris.x - across * radius, y - iris.y - down * radius)
            glint = np.clip((size * radius - spot) / 1.2 + 0.5, 0, 1) * inside * shine
            out = out * (1 - glint[..., None]) + glint[..., None]
    return out.astype(np.float32)


def _iris(picture: Float, disc: Float, distance: Float, level: Float) -> Float:
    """A painted iris of the eye's own colour: dark above and at its rim, glowing below."""
    weight = disc * (distance > 0.45) * (distance < 0.9)
    total = float(weight.sum())
    own = (picture * weight[..., None]).sum(axis=(0, 1)) / max(total, 1e-3)
    own = np.maximum(np.clip(own, 0.05, 1), own[0] * NO_RED_EYE)
    vivid = own.mean() + (own - own.mean()) * 1.9
    vivid = np.clip(vivid / max(0.05, float(vivid.max())) * 0.62, 0.06, 1)
    glow = np.clip(0.5 + 0.62 * level, 0.12, 1)[..., None]
    colour = vivid * (0.35 + 1.0 * glow)
    rim = np.clip((distance - 0.80) / 0.12, 0, 1)[..., None]
    pupil = np.clip((0.46 - distance) / 0.06, 0, 1)[..., None]
    painted = colour * (1 - 0.72 * rim)
    painted = painted * (1 - pupil) + np.array([0.03, 0.025, 0.035], np.float32) * pupil
    return np.clip(painted, 0, 1).astype(np.float32)


def lashes(portrait: Portrait, thickness: float) -> Float:
    """Upper lash lines, [h, w], 0 to 1: thin at the nose, bold and winged outwards."""
    drawn = np.zeros(portrait.alpha.shape, np.uint8)
    unit = portrait.unit
    for lid in (LEFT_LID, RIGHT_LID):
        # From the outer corner to the nose.
        points = _smooth_line(portrait.face.contour(lid), 48)
        outwards = points[0] - points[-1]
        outwards /= max(1e-3, float(np.hypot(*outwards)))
        wing = points[0] + outwards * 0.018 * unit + np.array([0, -0.012 * unit], np.float32)
        points = np.vstack([wing, points])
        for index, (start, end) in enumerate(pairwise(points)):
            share = index / len(points)
            wide = thickness * unit * (1 - 0.72 * share) * min(1.0, 0.35 + 6 * share)
            cv2.line(drawn, _fixed(start), _fixed(end), 255, max(1, round(wide)), cv2.LINE_AA, 3)
    return cv2.GaussianBlur(drawn.astype(np.float32) / 255, (0, 0), max(0.4, 0.0022 * unit))


def mouth_line(portrait: Portrait, thickness: float) -> Float:
    """The line between the lips, or the upper lip's lower edge over teeth; [h, w], 0 to 1."""
    drawn = np.zeros(portrait.alpha.shape, np.uint8)
    points = _smooth_line(
        portrait.face.contour((78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)), 48
    )
    middle = len(points) / 2
    for index, (start, end) in enumerate(pairwise(points)):
        share = 1 - 0.5 * abs(index - middle) / middle
        wide = max(1, round(thickness * portrait.unit * share))
        cv2.line(drawn, _fixed(start), _fixed(end), 255, wide, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(drawn.astype(np.float32) / 255, (0, 0), max(0.4, 0.002 * portrait.unit))


def _smooth_line(points: Float, count: int) -> Float:
    """A polyline resampled to `count` points along a smooth curve."""
    places = np.linspace(0, len(points) - 1, count)
    dense = np.column_stack(
        [np.interp(places, np.arange(len(points)), points[:, axis]) for axis in (0, 1)]
    ).astype(np.float32)
    padded = np.vstack([dense[:1].repeat(3, 0), dense, dense[-1:].repeat(3, 0)])
    kernel = np.ones(7, np.float32) / 7
    smooth = np.column_stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)])
    smooth[0], smooth[-1] = dense[0], dense[-1]
    return smooth.astype(np.float32)


def _fixed(point: Float) -> tuple[int, int]:
    """OpenCV's fixed point with three fractional bits."""
    return round(float(point[0]) * 8), round(float(point[1]) * 8)
