"""Building blocks of painted pictures: Kuwahara smoothing, paper, canvas relief, pencil lines."""

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def kuwahara(picture: Float, radius: int) -> Float:
    """Flat brush dabs with crisp borders, [h, w, 3].

    The filter of Kuwahara et al. (1976) with its four quadrants blended by how calm each is, as in
    Papari et al. (2007): no blocky seams.
    """
    window = (radius + 1, radius + 1)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    total = np.zeros_like(picture)
    weights = np.zeros(grey.shape, np.float32)
    for anchor in ((0, 0), (radius, 0), (0, radius), (radius, radius)):
        mean = cv2.boxFilter(picture, -1, window, anchor=anchor)
        mean = cv2.GaussianBlur(mean, (0, 0), 0.6)
        grey_mean = cv2.boxFilter(grey, -1, window, anchor=anchor)
        square_mean = cv2.boxFilter(grey * grey, -1, window, anchor=anchor)
        spread = np.clip(square_mean - grey_mean * grey_mean, 0, None)
        weight = 1 / (spread + 1e-5) ** 2
        total += mean * weight[..., None]
        weights += weight
    blended: Float = total / weights[..., None]
    return blended


def fibres(rng: np.random.Generator, width: int, height: int) -> Float:
    """The tooth of paper, [height, width] around 0, about -1 to 1."""
    scale = max(width, height) / 1024
    fine = rng.standard_normal((height, width), dtype=np.float32)
    fine = cv2.GaussianBlur(fine, (0, 0), 0.9 * scale)
    coarse = rng.standard_normal((max(2, height // 3), max(2, width // 3)), dtype=np.float32)
    coarse = cv2.GaussianBlur(coarse, (0, 0), 1.3 * scale)
    coarse = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    paper = fine / max(1e-6, float(fine.std())) + coarse / max(1e-6, float(coarse.std()))
    tooth: Float = np.clip(paper * 0.4, -1.5, 1.5)
    return tooth


def relief(luma: Float, rng: np.random.Generator) -> Float:
    """Light grazing over canvas and thick paint, [h, w] around 0."""
    height, width = luma.shape
    scale = max(width, height) / 1024
    y, x = np.mgrid[:height, :width].astype(np.float32)
    weave = np.sin(x * (1.9 / scale)) * np.sin(y * (1.9 / scale))
    ground = 0.010 * weave + 0.030 * cv2.GaussianBlur(
        rng.standard_normal((height, width), dtype=np.float32), (0, 0), 1.2 * scale
    )
    surface = cv2.GaussianBlur(luma, (0, 0), 0.9 * scale) + ground
    slope = cv2.Sobel(surface, cv2.CV_32F, 1, 0, ksize=3) + cv2.Sobel(
        surface, cv2.CV_32F, 0, 1, ksize=3
    )
    lit: Float = np.clip(-slope * 0.10, -0.09, 0.09)
    return lit


def pencil_lines(luma: Float) -> Float:
    """Contours, [h, w]: 1 is bare paper, lower is graphite.

    Colour dodge of the picture by its own blurred negative, at two widths, and a difference of
    Gaussians (Winnemoeller et al. 2012) for the outlines.
    """
    scale = max(luma.shape) / 1024
    dodge = np.ones_like(luma)
    for sigma in (2.2, 7.0):
        blurred = cv2.GaussianBlur(1 - luma, (0, 0), sigma * scale)
        dodge *= np.clip(luma / np.clip(1 - blurred, 1e-3, 1), 0, 1)
    inner = cv2.GaussianBlur(luma, (0, 0), 1.0 * scale)
    outer = cv2.GaussianBlur(luma, (0, 0), 1.7 * scale)
    outline = 1 + np.tanh(np.minimum(0, inner - 0.985 * outer - 0.006) * 42)
    lines: Float = np.clip(dodge**1.5 * (0.25 + 0.75 * outline), 0, 1)
    return lines


def hatching(luma: Float, rng: np.random.Generator) -> Float:
    """Strokes that lie closer and cross where the picture is darker; 1 is bare paper."""
    height, width = luma.shape
    scale = max(width, height) / 1024
    page = np.ones((height, width), np.float32)
    turn = float(rng.uniform(-8, 8))
    for angle, threshold, strength in (
        (38 + turn, 0.80, 0.26),
        (52 + turn, 0.52, 0.32),
        (-40 + turn, 0.34, 0.36),
        (8 + turn, 0.20, 0.40),
    ):
        strokes = _strokes(rng, width, height, angle, scale)
        amount = np.clip((threshold - luma) / 0.22, 0, 1)
        page *= 1 - strength * amount * strokes
    return page


def _strokes(
    rng: np.random.Generator, width: int, height: int, angle: float, scale: float
) -> Float:
    """Long parallel pencil strokes of uneven pressure, [height, width], 0 to 1."""
    side = int(np.hypot(width, height) / scale) + 2
    noise = rng.standard_normal((side, max(2, side // 40)), dtype=np.float32)
    pressure = cv2.resize(noise, (side, side), interpolation=cv2.INTER_LINEAR)
    pressure = cv2.GaussianBlur(pressure, (0, 0), sigmaX=0.1, sigmaY=1.1)
    pressure = pressure / max(1e-6, float(pressure.std()))
    strokes = np.clip(0.5 + 0.75 * pressure, 0, 1).astype(np.float32)
    turned = cv2.getRotationMatrix2D((side / 2, side / 2), angle, scale)
    turned[0, 2] += width / 2 - side / 2
    turned[1, 2] += height / 2 - side / 2
    laid: Float = cv2.warpAffine(
        strokes, turned, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return laid
