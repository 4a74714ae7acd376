"""How a portrait becomes a drawn, a modelled or a painted one. Seeds play no part here."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.faces import LEFT_BROW, LIPS, OVAL, RIGHT_BROW, Face, Iris
from imagerift_vision.features import (
    area,
    calmed,
    lashes,
    mouth_line,
    reshaped,
    skin,
    with_bright_eyes,
    with_clean_teeth,
    with_tinted_lips,
)  # fmt: skip
from imagerift_vision.portrait import Portrait
from imagerift_vision.redrawing import Redrawer
from imagerift_vision.superres import SCALE, TiledNetwork

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# The size a portrait is reshaped at; the networks see a quarter of what they draw.
SHAPE_EDGE = 512
NETWORK_EDGE = 256
# A cel's tones: so much lightness (of 100) lies between two, and so much of a face is in shade.
TONE_STEP, SHADED = 22.0, 22
INK = np.array([0.13, 0.075, 0.07], np.float32)


def resized(portrait: Portrait, width: int, height: int) -> Portrait:
    """The portrait at another size of the same proportions."""
    scale = height / portrait.alpha.shape[0]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    left, right = (Iris(i.x * scale, i.y * scale, i.radius * scale) for i in portrait.irises)
    alpha = cv2.resize(portrait.alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    face: Face = portrait.face.moved(scale, 0, 0)
    rgb = cv2.resize(portrait.rgb, (width, height), interpolation=way)
    return Portrait(rgb, alpha, face, (left, right), portrait.matted, portrait.people)


def anime(
    portrait: Portrait, network: TiledNetwork | Redrawer, guard: Guard
) -> tuple[Float, Portrait]:
    """Inked and cel-shaded: colours [h, w, 3], 0 to 1, and the reshaped portrait."""
    height, width = portrait.alpha.shape
    small = _at_edge(portrait, SHAPE_EDGE)
    small = reshaped(small, eyes=0.42, jaw=0.18, tall=0.30)
    guard.check()
    even = calmed(small, 0.95)
    tiny = _shrunk(even, network.side if isinstance(network, Redrawer) else NETWORK_EDGE)
    for _ in range(2):
        tiny = cv2.bilateralFilter(tiny, 5, 26, 5)
    drawn = network.draw(tiny.astype(np.float32) / 255, guard)
    drawn = cv2.resize(np.clip(drawn, 0, 1), (width, height), interpolation=cv2.INTER_CUBIC)
    guard.check()
    large = resized(small, width, height)
    face = skin(large)
    picture = _flattened(np.clip(drawn, 0, 1).astype(np.float32), large)
    guard.check()
    picture = _cel_shaded(picture, large, face)
    guard.check()
    picture = _brightened(picture, gamma=0.80, saturation=1.22, contrast=1.05)
    picture = with_tinted_lips(with_clean_teeth(picture, large, 1.0), large, 0.6)
    picture = _inked(picture, drawn, large, face)
    picture = with_bright_eyes(picture, large, drawn=0.92, light=-0.9)
    ink = 0.95 * lashes(large, 0.030)[..., None]
    picture = picture * (1 - ink) + INK * ink
    ink = 0.55 * mouth_line(large, 0.011)[..., None]
    picture = picture * (1 - ink) + INK * ink
    return np.clip(picture, 0, 1).astype(np.float32), large


def cartoon(portrait: Portrait, network: TiledNetwork, guard: Guard) -> tuple[Float, Portrait]:
    """Like a figure of an animated film: smooth, rounded, with large glossy eyes."""
    height, width = portrait.alpha.shape
    small = _at_edge(portrait, SHAPE_EDGE)
    small = reshaped(small, eyes=0.38, jaw=0.12)
    guard.check()
    even = calmed(small, 1.0)
    even = cv2.edgePreservingFilter(even, flags=cv2.RECURS_FILTER, sigma_s=24, sigma_r=0.30)
    tiny = _shrunk(even, NETWORK_EDGE)
    drawn = network.draw(tiny.astype(np.float32) / 255, guard)
    drawn = cv2.resize(np.clip(drawn, 0, 1), (width, height), interpolation=cv2.INTER_CUBIC)
    guard.check()
    large = resized(small, width, height)
    picture = np.clip(drawn, 0, 1).astype(np.float32) ** 0.88
    fine = picture - cv2.GaussianBlur(picture, (0, 0), 0.006 * max(width, height))
    picture = _modelled(picture + 0.30 * fine, large)
    picture = with_tinted_lips(with_clean_teeth(picture, large, 0.9), large, 0.55)
    picture = with_bright_eyes(picture, large, drawn=0.80, light=-0.9)
    ink = 0.55 * lashes(large, 0.018)[..., None]
    picture = picture * (1 - ink) + INK * ink
    guard.check()
    glow = cv2.GaussianBlur(picture, (0, 0), 0.014 * max(width, height))
    picture = 1 - (1 - np.clip(picture, 0, 1)) * (1 - 0.16 * np.clip(glow, 0, 1))
    picture = _brightened(picture, gamma=1.06, saturation=1.26, contrast=1.08)
    return picture, large


def _at_edge(portrait: Portrait, edge: int) -> Portrait:
    height, width = portrait.alpha.shape
    scale = edge / max(height, width)
    return resized(portrait, max(1, round(width * scale)), max(1, round(height * scale)))


def _shrunk(rgb: Pixels, edge: int) -> Pixels:
    height, width = rgb.shape[:2]
    scale = edge / max(height, width)
    size = (max(SCALE * 4, round(width * scale)), max(SCALE * 4, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _flattened(picture: Float, portrait: Portrait) -> Float:
    """Areas of one tone with crisp borders, as a cel is painted.

    The borders are those of a smooth field at half the size, found at the full one.
    """
    height, width = picture.shape[:2]
    half = cv2.resize(picture, (max(1, width // 2), max(1, height // 2)))
    lab = cv2.cvtColor(half, cv2.COLOR_RGB2LAB)
    reach = max(1.5, 0.014 * portrait.unit)
    for _ in range(3):
        lab = cv2.bilateralFilter(lab, 0, 22, reach)
    smooth = cv2.resize(lab, (width, height), interpolation=cv2.INTER_CUBIC)
    level = smooth[..., 0] / TONE_STEP
    part = level - np.floor(level)
    # Half a pixel of slope on both sides of a border: no stairs.
    slope = np.maximum(1e-3, np.hypot(*(cv2.Sobel(level, cv2.CV_32F, *way, ksize=3, scale=1 / 8)
                                        for way in ((1, 0), (0, 1)))))  # fmt: skip
    step = np.clip((part - 0.5) / slope + 0.5, 0, 1)
    smooth[..., 0] = np.clip((np.floor(level) + step) * TONE_STEP, 0, 100)
    flat: Float = np.clip(cv2.cvtColor(smooth, cv2.COLOR_LAB2RGB), 0, 1)
    return flat


def _cel_shaded(picture: Float, portrait: Portrait, face: Float) -> Float:
    """Skin in two tones: a crisp, warm shade where its relief turns from the light, and blush."""
    unit = portrait.unit
    sure = face > 0.8
    if not sure.any():
        return picture
    slope_x, slope_y, depth = _slopes(cv2.GaussianBlur(_relief(portrait), (0, 0), 0.03 * unit))
    facing = (0.60 * slope_x + 0.42 * slope_y + 0.68) * depth
    shade = np.clip((float(np.percentile(facing[sure], SHADED)) - facing) / 0.03 + 0.5, 0, 1) * face
    tone = np.median(picture[sure], axis=0)
    flat = (tone + (picture - tone) * 0.16) * 1.05
    weight = face[..., None]
    out = picture * (1 - weight) + flat * weight
    out = out * (1 - shade[..., None] * np.array([0.07, 0.15, 0.14], np.float32))
    height, width = face.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for cheek in (50, 280):
        place = portrait.face.mesh[cheek]
        near = np.exp(
            -(((x - place[0]) / (0.13 * unit)) ** 2 + ((y - place[1]) / (0.085 * unit)) ** 2)
        )
        blush = (0.16 * near * face)[..., None]
        out = out * (1 - blush) + tone * np.array([1.08, 0.72, 0.72], np.float32) * blush
    shaded: Float = np.clip(out, 0, 1).astype(np.float32)
    return shaded


def _inked(picture: Float, drawn: Float, portrait: Portrait, face: Float) -> Float:
    """Ink where the drawing has dark contours, at the silhouette and along the jaw."""
    unit = portrait.unit
    luma = cv2.cvtColor(drawn.astype(np.float32), cv2.COLOR_RGB2GRAY)
    inner = cv2.GaussianBlur(luma, (0, 0), max(0.6, 0.0042 * unit))
    outer = cv2.GaussianBlur(luma, (0, 0), max(1.0, 0.0095 * unit))
    line = np.clip(-(inner - outer) * 13 - 0.22, 0, 0.9)
    # Skin and mouth get no chance lines: creases would age the face, gaps would part the teeth.
    calm = 1 - 0.86 * np.clip(face * 1.3, 0, 1)
    calm = calm * (1 - 0.95 * area(portrait, LIPS, 0.0, 0.01))
    for brow in (LEFT_BROW, RIGHT_BROW):
        calm = np.maximum(calm, 0.9 * area(portrait, brow, 0.015, 0.01))
    line = line * calm * np.clip(portrait.alpha * 1.5, 0, 1)
    border = cv2.GaussianBlur(portrait.alpha, (0, 0), max(0.8, 0.004 * unit))
    outline = np.clip(1 - np.abs(border - 0.62) / 0.30, 0, 1) * 0.85
    jaw = area(portrait, OVAL, 0.0, 0.006)
    contour = np.clip(1 - np.abs(jaw - 0.5) / 0.34, 0, 1)
    height = luma.shape[0]
    below = np.clip(
        (np.arange(height, dtype=np.float32) - portrait.face.mesh[61, 1]) / (0.12 * unit), 0, 1
    )
    jaw_line = 0.22 * contour * below[:, None] * portrait.alpha
    ink = np.maximum(np.maximum(line, outline), jaw_line)[..., None]
    inked: Float = picture * (1 - ink) + INK * ink
    return inked


def _modelled(picture: Float, portrait: Portrait) -> Float:
    """Relit on the face's own relief: a soft key from the upper left, warm bounce, sheen."""
    unit = portrait.unit
    slope_x, slope_y, depth = _slopes(_relief(portrait))
    facing = (0.46 * slope_x + 0.58 * slope_y + 0.67) * depth
    typical = float(np.median(facing[portrait.alpha > 0.5])) if portrait.alpha.max() > 0.5 else 0.6
    form = np.clip(facing - typical, -0.5, 0.5)[..., None]
    out = picture * (1 + 0.50 * form)
    # Light goes into skin and comes out red: shadows stay warm.
    out = out + np.clip(-form, 0, 1) * np.array([0.10, 0.035, 0.02], np.float32) * picture
    half = np.clip((0.24 * slope_x + 0.36 * slope_y + 0.90) * depth, 0, 1)
    sheen = (half**22 * 0.13 * cv2.GaussianBlur(portrait.alpha, (0, 0), 0.02 * unit))[..., None]
    lit: Float = (out + sheen * (1 - np.clip(out, 0, 1))).astype(np.float32)
    return lit


def _slopes(relief: Float) -> tuple[Float, Float, Float]:
    """The relief's slopes to the right and down, and how far it faces the viewer."""
    slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=5, scale=1 / 128)
    slope_y = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=5, scale=1 / 128)
    return slope_x, slope_y, 1 / np.sqrt(slope_x**2 + slope_y**2 + 1)


def _relief(portrait: Portrait) -> Float:
    """Height towards the viewer in pixels: the face's mesh on the rounded silhouette."""
    height, width = portrait.alpha.shape
    unit = portrait.unit
    solid = (portrait.alpha > 0.5).astype(np.uint8)
    inward = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    round_off = np.sqrt(np.clip(inward / (0.45 * unit), 0, 1)) * 0.30 * unit
    body = cv2.GaussianBlur(round_off, (0, 0), 0.05 * unit)
    depth = np.zeros((height, width), np.float32)
    seen = np.zeros((height, width), np.float32)
    for x, y, z in portrait.face.mesh:
        column, row = round(float(x)), round(float(y))
        if 0 <= column < width and 0 <= row < height:
            depth[row, column] -= z
            seen[row, column] += 1
    sigma = 0.045 * unit
    spread = cv2.GaussianBlur(depth, (0, 0), sigma)
    count = cv2.GaussianBlur(seen, (0, 0), sigma)
    peak = float(count.max()) + 1e-9
    face = spread / np.maximum(count, 1e-4 * peak)
    weight = area(portrait, OVAL, -0.03, 0.05) * np.clip(count / (0.02 * peak), 0, 1)
    level = float((body * weight).sum() / max(1.0, float(weight.sum())))
    own = float((face * weight).sum() / max(1.0, float(weight.sum())))
    mixed = body * (1 - weight) + (level + face - own) * weight
    return cv2.GaussianBlur(mixed, (0, 0), 0.022 * unit).astype(np.float32)


def _brightened(picture: Float, *, gamma: float, saturation: float, contrast: float) -> Float:
    tones = np.clip(picture, 0, 1).astype(np.float32) ** np.float32(gamma)
    hsv = cv2.cvtColor(tones, cv2.COLOR_RGB2HSV)
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 1)
    tones = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    graded: Float = np.clip((tones - 0.5) * contrast + 0.5, 0, 1).astype(np.float32)
    return graded
