"""The `enhance` mode: the same photograph, reframed, cleaned and at the size wanted."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis
from imagerift_vision.control import Guard
from imagerift_vision.edge_colours import freed
from imagerift_vision.errors import VisionError
from imagerift_vision.face_restoration import FaceRestorer
from imagerift_vision.faces import FaceFinder
from imagerift_vision.framing import Framed, Framer
from imagerift_vision.matting import Matting
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.requests import ModelVersion
from imagerift_vision.restoration import denoised, noise_of, sharpened, toned
from imagerift_vision.superres import SuperResolver

Pixels = NDArray[np.uint8]

ENHANCER = ModelVersion("imagerift-enhance", "1")
OPAQUE = 255
PAPER = 255
# Around what is transparent the subject's colours go on so far, in shares of the long edge.
SPREAD = 0.012
# Enlarged less than this, plain resampling does as well.
RESOLVE_FROM_SCALE = 1.25
# About twenty seconds on one core, and 100 MB for the enlarged picture.
MOST_PIXELS_TO_RESOLVE = 2_000_000


class EnhanceMode:
    """All networks of the mode, loaded once."""

    def __init__(self, threads: int) -> None:
        """Load the networks."""
        finder = FaceFinder()
        self._framer = Framer(Matting(threads), finder)
        self._resolver = SuperResolver(threads)
        self._restorer = FaceRestorer(threads, finder)

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """The one enhanced picture: [1, height, width, 3], or 4 of a transparent source.

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
        framed = self._framer.framed(_opaque(call.image, guard), ratio, guard)
        rgb = framed.rgb
        models = [ENHANCER, *framed.models]
        guard.check()
        picture, faces = self._restored(rgb, call, guard)
        if self._resolves(rgb, call):
            models.append(self._resolver.version)
        if faces and self._restorer.version:
            models.append(self._restorer.version)
        if int(call.image[..., 3].min()) < OPAQUE:
            picture = np.dstack([picture, _alpha(call, framed)])
        told = Analysis(framing=framed.how, people=framed.people)
        return ModeAnswer(picture[None], None, tuple(models), analysis=told)

    def _restored(self, rgb: Pixels, call: ModeCall, guard: Guard) -> tuple[Pixels, int]:
        """Denoise at the smaller of both scales, resample, then faces, tone and sharpness.

        With how many faces were drawn anew.
        """
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
        clean, faces = self._restorer.restore(clean, guard)
        return sharpened(toned(clean, guard), left, guard), faces

    @staticmethod
    def _resolves(rgb: Pixels, call: ModeCall) -> bool:
        """Whether super-resolution pays for this picture."""
        height, width = rgb.shape[:2]
        large = call.width >= width * RESOLVE_FROM_SCALE
        return large and height * width <= MOST_PIXELS_TO_RESOLVE


def _opaque(rgba: Pixels, guard: Guard) -> Pixels:
    """[h, w, 3]: on white, under whose edge the subject's own colours go on.

    So the edge of a transparent picture gets no seam of paper, and its tone is that on white.
    """
    alpha = rgba[..., 3]
    if int(alpha.min()) == OPAQUE:
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha.astype(np.float32) / 255
    colours = freed(rgba, share, guard, own=True)
    reach = max(1, round(SPREAD * max(share.shape)))
    near = cv2.dilate(share, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    near = cv2.blur(near, (2 * reach + 1, 2 * reach + 1))
    near = np.maximum(near, share)[..., None]
    return (colours * near + PAPER * (1 - near) + 0.5).astype(np.uint8)


def _alpha(call: ModeCall, framed: Framed) -> Pixels:
    """[height, width]: the source's own alpha as it is framed; beyond the source there is none."""
    alpha = call.image[..., 3]
    high, wide = alpha.shape
    left, top, width, height = framed.window or (0, 0, wide, high)
    shown = np.zeros((height, width), np.uint8)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(wide, left + width), min(high, top + height)
    shown[y0 - top : y1 - top, x0 - left : x1 - left] = alpha[y0:y1, x0:x1]
    way = cv2.INTER_AREA if width > call.width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(shown, (call.width, call.height), interpolation=way), np.uint8)
