"""Faces that are small or worn in a photograph, drawn anew: only where the slot has a network."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.faces import LEFT_EYE, RIGHT_EYE, Face, FaceFinder
from imagerift_vision.networks import in_use
from imagerift_vision.redrawing import Redrawer
from imagerift_vision.requests import ModelVersion
from imagerift_vision.weights.shelf import Shelf

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Where such networks expect the eyes, the nose and the corners of the mouth, in 512 x 512 pixels:
# the mean face of FFHQ, as FaceXLib aligns it.
TEMPLATE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.19360],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ],
    np.float32,
)
TEMPLATE_SIDE = 512
NOSE_TIP, MOUTH_RIGHT, MOUTH_LEFT = 1, 61, 291
# A face that has more pixels than the network draws would lose some.
LARGEST_SHARE = 1.0
# Of the photograph that stays in: the likeness.
LIKENESS = 0.25
# How far the new face fades into the old one, in shares of the square.
FADE = 0.06


class FaceRestorer:
    """The network of the slot `faces`; without one, faces stay as they are."""

    def __init__(
        self, threads: int, finder: FaceFinder | None = None, shelf: Shelf | None = None
    ) -> None:
        """Load the weights: those of the shelf, the environment's where none is given.

        Raises ValueError where the network of the slot cannot be used.
        """
        own = in_use("faces", shelf)
        self._network = Redrawer(own, threads) if own else None
        self._faces = finder if own else None

    @property
    def version(self) -> ModelVersion | None:
        """The network's name and version, where there is one."""
        return self._network.version if self._network else None

    def restore(self, rgb: Pixels, guard: Guard) -> tuple[Pixels, int]:
        """[h, w, 3] pixels with faces drawn anew, and how many.

        Raises VisionError `canceled` or `timeout` before each face.
        """
        if self._network is None or self._faces is None:
            return rgb, 0
        drawn = 0
        for face in self._faces.find(rgb):
            guard.check()
            into = _aligned(face)
            if into is None or _scale_of(into) < LARGEST_SHARE:
                continue
            rgb = _with_face(rgb, self._network, into)
            drawn += 1
        return rgb, drawn


def _aligned(face: Face) -> Float | None:
    """[2, 3]: from the picture's pixels to the template's; None where there is no such turn."""
    points = np.stack(
        [
            face.contour(RIGHT_EYE).mean(axis=0),
            face.contour(LEFT_EYE).mean(axis=0),
            face.mesh[NOSE_TIP, :2],
            face.mesh[MOUTH_RIGHT, :2],
            face.mesh[MOUTH_LEFT, :2],
        ]
    ).astype(np.float32)
    into, _ = cv2.estimateAffinePartial2D(points, TEMPLATE, method=cv2.LMEDS)
    return None if into is None else into.astype(np.float32)


def _scale_of(into: Float) -> float:
    return float(np.hypot(into[0, 0], into[1, 0]))


def _with_face(rgb: Pixels, network: Redrawer, into: Float) -> Pixels:
    side = network.side
    into = into * np.float32(side / TEMPLATE_SIDE)
    square = cv2.warpAffine(
        rgb, into, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    photo = square.astype(np.float32) / 255
    fresh = network.square(photo) * (1 - LIKENESS) + photo * LIKENESS
    back = cv2.invertAffineTransform(into)
    height, width = rgb.shape[:2]
    # Only the part of the picture that the square covers is touched.
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    places = corners @ back[:, :2].T + back[:, 2]
    left, top = (max(0, int(value)) for value in np.floor(places.min(axis=0)))
    right, bottom = np.minimum(np.ceil(places.max(axis=0)).astype(int) + 1, (width, height))
    shifted = back - np.array([[0, 0, left], [0, 0, top]], back.dtype)
    size = (int(right) - left, int(bottom) - top)
    # Cubic resampling would ring at the mask's edge.
    mask = cv2.warpAffine(_mask(side), shifted, size, flags=cv2.INTER_LINEAR)[..., None]
    face = cv2.warpAffine(
        fresh, shifted, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    out = rgb.copy()
    old = out[top:bottom, left:right].astype(np.float32)
    out[top:bottom, left:right] = np.clip(old * (1 - mask) + face * 255 * mask + 0.5, 0, 255)
    return out


def _mask(side: int) -> Float:
    """[side, side]: 1 inside, 0 at the border."""
    fade = max(1, round(FADE * side))
    inner = np.zeros((side, side), np.float32)
    inner[2 * fade : -2 * fade, 2 * fade : -2 * fade] = 1
    soft: Float = cv2.GaussianBlur(inner, (0, 0), fade / 2)
    return soft
