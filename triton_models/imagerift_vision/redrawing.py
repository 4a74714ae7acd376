"""Networks that redraw a square picture at its own size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.networks import OnnxNetwork, version_of
from imagerift_vision.weights.shelf import Network

Float = NDArray[np.float32]


class Redrawer:
    """A network of a slot, in ONNX."""

    def __init__(self, network: Network, threads: int) -> None:
        """Load the weights. Raises ValueError where the file is not of its family."""
        self.version = version_of(network)
        self._network = OnnxNetwork(network.path, network.family, threads)

    @property
    def side(self) -> int:
        """Pixels a side of what it draws."""
        side = self._network.family.side
        if side is None:
            raise ValueError("a network that takes any size draws no square")
        return side

    def square(self, picture: Float) -> Float:
        """[side, side, 3], 0 to 1, redrawn."""
        return np.clip(self._network.run(picture)[0], 0, 1).astype(np.float32)

    def draw(self, picture: Float, guard: Guard) -> Float:
        """[h, w, 3], 0 to 1, redrawn with its long edge at `side`: [h', w', 3].

        Raises VisionError `canceled` or `timeout` before it begins.
        """
        guard.check()
        height, width = picture.shape[:2]
        scale = self.side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        fitted = cv2.resize(picture, size, interpolation=way)
        right, below = self.side - size[0], self.side - size[1]
        whole = cv2.copyMakeBorder(fitted, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return self.square(np.clip(whole, 0, 1).astype(np.float32))[: size[1], : size[0]]
