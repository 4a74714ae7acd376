"""The `enhance` mode: the same photograph, reframed, cleaned and at the size wanted."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis
from imagerift_vision.control import Guard
from imagerift_vision.errors import VisionError
from imagerift_vision.faces import FaceFinder
from imagerift_vision.framing import Framer, on_paper
from imagerift_vision.generate import ModeAnswer, ModeCall
from imagerift_vision.matting import Matting
from imagerift_vision.requests import ModelVersion
from imagerift_vision.restoration import denoised, noise_of, sharpened, toned
from imagerift_vision.superres import SuperResolver

Pixels = NDArray[np.uint8]

ENHANCER = ModelVersion("imagerift-enhance", "1")
# Enlarged less than this, plain resampling does as well.
RESOLVE_FROM_SCALE = 1.25
# About twenty seconds on one core, and 100 MB for the enlarged picture.
MOST_PIXELS_TO_RESOLVE = 2_000_000


class EnhanceMode:
    """All networks of the mode, loaded once."""

    def __init__(self, threads: int) -> None:
        """Load the networks."""
        self._framer = Framer(Matting(threads), FaceFinder())
        self._resolver = SuperResolver(threads)

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """The one enhanced picture, [1, height, width, 3].

        Raises VisionError: `invalid_request` (a preset, or several seeds: they would all give the
        same picture), `canceled`, `timeout`.
        """
        if call.preset is not None:
            raise VisionError("invalid_request", "the enhance mode has no presets")
        if call.masked:
            raise VisionError("invalid_request", "the enhance mode cuts nothing out: no mask")
        if len(call.seeds) != 1:
            raise VisionError("invalid_request", "enhance makes one picture: seeds change nothing")
        guard.check()
        ratio = call.width / call.height
        framed = self._framer.framed(on_paper(call.image), ratio, guard)
        rgb = framed.rgb
        models = [ENHANCER, *framed.models]
        guard.check()
        picture = self._restored(rgb, call, guard)
        if self._resolves(rgb, call):
            models.append(self._resolver.version)
        told = Analysis(framing=framed.how, people=framed.people)
        return ModeAnswer(picture[None], None, tuple(models), analysis=told)

    def _restored(self, rgb: Pixels, call: ModeCall, guard: Guard) -> Pixels:
        """Denoise at the smaller of both scales, resample, then tone and sharpen."""
        size = (call.width, call.height)
        if rgb.shape[1] > call.width:
            rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        noise = noise_of(rgb)
        clean = denoised(rgb, noise, guard)
        left = noise_of(clean) if clean is not rgb else noise
        if self._resolves(rgb, call):
            clean = self._resolver.enlarge_pixels(clean, guard)
            # Networks smooth what is left of the noise as well.
            left *= 0.5
        if clean.shape[:2] != (call.height, call.width):
            shrinks = clean.shape[1] > call.width
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
            clean = cv2.resize(clean, size, interpolation=way)
        guard.check()
        return sharpened(toned(clean, guard), left, guard)

    @staticmethod
    def _resolves(rgb: Pixels, call: ModeCall) -> bool:
        """Whether super-resolution pays for this picture."""
        height, width = rgb.shape[:2]
        large = call.width >= width * RESOLVE_FROM_SCALE
        return large and height * width <= MOST_PIXELS_TO_RESOLVE
