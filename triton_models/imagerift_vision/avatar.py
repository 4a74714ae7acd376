"""The `avatar` mode: a selfie in, portraits of the same person in another look out."""

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis, People
from imagerift_vision.avatar_backdrop import Setting, hang
from imagerift_vision.avatar_looks import anime, cartoon, resized
from imagerift_vision.brushwork import kuwahara
from imagerift_vision.control import Guard
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import JOB_ENDING, VisionError, from_exception
from imagerift_vision.faces import FaceFinder
from imagerift_vision.features import calmed
from imagerift_vision.matting import Matting, estimate_foreground
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.networks import in_use
from imagerift_vision.painting import Painter
from imagerift_vision.portrait import Portrait, portray
from imagerift_vision.redrawing import Redrawer
from imagerift_vision.requests import ModelVersion
from imagerift_vision.superres import (
    NETWORK,
    SCALE,
    TILE,
    OwnNetwork,
    PackagedNetwork,
    SuperResolver,
    TiledNetwork,
)
from imagerift_vision.weights.families import FAMILIES
from imagerift_vision.weights.shelf import Shelf

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

AVATAR = ModelVersion("imagerift-avatar", "1")
PRESETS = ("anime", "cartoon3d", "oilpaint")
# Looks are drawn at this long edge; larger exports enlarge the drawing.
DRAW_EDGE = 1024
# Of a network of one's own: the large ones need 0.5 GB for 64 pixels a side.
OWN_TILE = 64
STRIP_ROWS = 256
OIL_BACKDROP_SHARE = 0.72
# How much of the person is plain brush dabs of the photograph: the likeness.
OIL_LIKENESS = 0.42


@dataclass(frozen=True)
class Figure:
    """A finished person, cut out, to be composed with any backdrop."""

    colours: Float
    """[h, w, 3], 0 to 1."""
    alpha: Float
    """[h, w], 0 to 1."""
    matted: bool
    people: People


class AvatarMode:
    """All networks of the mode, loaded once; the last figure is kept for the next seeds."""

    def __init__(self, threads: int) -> None:
        """Load the networks."""
        self._faces = FaceFinder()
        self._matting = Matting(threads)
        self._painter = Painter(threads)
        self._inker = inker(threads)
        self._modeller = PackagedNetwork(NETWORK, threads, TILE)
        self._resolver = SuperResolver(threads)
        self._last: tuple[bytes, Figure] | None = None

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """One picture a seed, [N, height, width, 3]; a picture that fails alone is omitted.

        The person is the same for every seed; backdrop and light are the seed's.
        Raises VisionError: `invalid_request` (no or an unknown preset), `no_face_found`,
        `canceled`, `timeout`, or the code of the first failure when no picture could be made.
        """
        if call.preset not in PRESETS:
            raise VisionError("invalid_request", f"avatar needs a preset: {', '.join(PRESETS)}")
        guard.check()
        figure = self._figure(call, call.preset, guard)
        images: list[Pixels] = []
        omitted: list[tuple[int, str]] = []
        first: VisionError | None = None
        for position, seed in enumerate(call.seeds):
            guard.check()
            guard.tell(first=position, together=1)
            try:
                images.append(self._picture(figure, call.preset, seed, call, guard))
            except Exception as failure:  # noqa: BLE001 - one variation fails alone
                reason = from_exception(failure)
                if reason.code in JOB_ENDING:
                    raise reason from None
                log_failure(failure)
                first = first or reason
                omitted.append((position, reason.code))
        if not images:
            raise first or VisionError("invalid_request", "no seed was given")
        models = self._models(figure, call)
        told = Analysis("request", people=figure.people)
        return ModeAnswer(np.stack(images), call.preset, models, tuple(omitted), analysis=told)

    def _models(self, figure: Figure, call: ModeCall) -> tuple[ModelVersion, ...]:
        models = [AVATAR, self._faces.version]
        if figure.matted and not call.masked:
            models.append(self._matting.version)
        if call.preset == "oilpaint":
            models.append(self._painter.version)
        else:
            models.append((self._inker if call.preset == "anime" else self._modeller).version)
        if max(call.width, call.height) > DRAW_EDGE:
            models.append(self._resolver.version)
        return tuple(dict.fromkeys(models))

    def _figure(self, call: ModeCall, preset: str, guard: Guard) -> Figure:
        key = hashlib.blake2b(call.image.tobytes(), digest_size=16)
        key.update(repr((call.image.shape, preset, call.width, call.height, call.masked)).encode())
        if self._last is not None and self._last[0] == key.digest():
            return self._last[1]
        self._last = None
        width, height = _drawing_size(call)
        portrait = portray(
            call.image, width, height, self._faces, self._matting, masked=call.masked
        )
        guard.check()
        if preset == "oilpaint":
            figure = _for_oil(portrait, guard)
        else:
            if preset == "anime":
                colours, shaped = anime(portrait, self._inker, guard)
            else:
                colours, shaped = cartoon(portrait, self._modeller, guard)
            figure = _cleaned(colours, shaped)
            if (width, height) != (call.width, call.height):
                figure = self._enlarged(figure, call, guard)
        self._last = (key.digest(), figure)
        return figure

    def _enlarged(self, figure: Figure, call: ModeCall, guard: Guard) -> Figure:
        large = self._resolver.enlarge_pixels(_bytes(figure.colours), guard)
        size = (call.width, call.height)
        colours = cv2.resize(large, size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(figure.alpha, size, interpolation=cv2.INTER_CUBIC)
        steep = np.clip((alpha - 0.5) * 0.5 * SCALE + 0.5, 0, 1)
        return Figure(colours, steep.astype(np.float32), figure.matted, figure.people)

    def _picture(
        self, figure: Figure, preset: str, seed: int, call: ModeCall, guard: Guard
    ) -> Pixels:
        width, height = _drawing_size(call)
        setting = hang(preset, seed, width, height)
        if preset != "oilpaint":
            return _composed(figure, setting, call, guard)
        photo = _composed(figure, setting, call, guard, size=(width, height))
        # The backdrop keeps its own colours too; only its strokes are the network's.
        weight = np.maximum(figure.alpha, OIL_BACKDROP_SHARE)
        painted = self._painter.paint(photo, weight, "oil", seed, guard)
        painted = _with_own_dabs(painted, photo, figure.alpha)
        if (width, height) == (call.width, call.height):
            return painted
        large = self._resolver.enlarge_pixels(painted, guard)
        size = (call.width, call.height)
        return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)


def inker(threads: int, shelf: Shelf | None = None) -> TiledNetwork | Redrawer:
    """What draws the lines of `anime`: the slot's network, or the packaged one.

    Raises ValueError where the network of the slot cannot be used.
    """
    own = in_use("anime", shelf)
    if own is None:
        return PackagedNetwork(NETWORK, threads, TILE)
    if FAMILIES[own.family].side is None:
        return OwnNetwork(own, threads, OWN_TILE)
    return Redrawer(own, threads)


def _drawing_size(call: ModeCall) -> tuple[int, int]:
    scale = min(1.0, DRAW_EDGE / max(call.width, call.height))
    return max(1, round(call.width * scale)), max(1, round(call.height * scale))


def _cleaned(colours: Float, portrait: Portrait) -> Figure:
    """The figure of a portrait, its colours [h, w, 3] freed of the old backdrop's seam."""
    alpha = np.clip((portrait.alpha - 0.25) / 0.6, 0, 1).astype(np.float32)
    return Figure(
        estimate_foreground(_bytes(colours), alpha), alpha, portrait.matted, portrait.people
    )


def _for_oil(portrait: Portrait, guard: Guard) -> Figure:
    """The figure to paint: calm skin, which strokes would turn into wrinkles, and fuller colour."""
    half = resized(portrait, portrait.alpha.shape[1] // 2, portrait.alpha.shape[0] // 2)
    even = calmed(half, 0.85)
    guard.check()
    high, wide = portrait.alpha.shape
    change = cv2.resize(even.astype(np.float32) - half.rgb, (wide, high))
    figure = _cleaned(np.clip((portrait.rgb + change) / 255, 0, 1).astype(np.float32), portrait)
    lab = cv2.cvtColor(figure.colours, cv2.COLOR_RGB2LAB)
    lab[..., 1:] *= 1.2
    rich = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)
    return Figure(rich.astype(np.float32), figure.alpha, portrait.matted, portrait.people)


def _with_own_dabs(painted: Pixels, photo: Pixels, alpha: Float) -> Pixels:
    """The painting with the photograph's own dabs on the person, under the same canvas."""
    dabs = kuwahara(photo.astype(np.float32) / 255, 6) * 255
    canvas = painted - cv2.GaussianBlur(painted.astype(np.float32), (0, 0), 1.2)
    weight = (OIL_LIKENESS * alpha)[..., None]
    mixed = painted * (1 - weight) + (dabs + 0.7 * canvas) * weight
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _composed(
    figure: Figure, setting: Setting, call: ModeCall, guard: Guard,
    size: tuple[int, int] | None = None,
) -> Pixels:  # fmt: skip
    """The figure in the backdrop's light before the backdrop, strip by strip."""
    width, height = size or (call.width, call.height)
    high, wide = setting.picture.shape[:2]
    small = cv2.resize(figure.alpha, (wide, high), interpolation=cv2.INTER_AREA)
    rim = _rim(small, setting)
    longest = max(wide, high)
    shadow = cv2.GaussianBlur(small, (0, 0), 0.035 * longest)
    shift = np.array(
        [[1, 0, -setting.lamp.side * 0.02 * longest], [0, 1, 0.012 * longest]], np.float32
    )
    shadow = cv2.warpAffine(shadow, shift, (wide, high), borderMode=cv2.BORDER_REPLICATE)
    backdrop = _bytes(setting.picture * (1 - 0.22 * shadow)[..., None])
    if (wide, high) != (width, height):
        backdrop = cv2.resize(backdrop, (width, height), interpolation=cv2.INTER_CUBIC)
    side = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None] * setting.lamp.side
    near = np.array(setting.scheme.near, np.float32)
    tint = 1 + 0.10 * (near / max(0.05, float(near.mean())) - 1)
    accent = np.array(setting.scheme.accent, np.float32)
    scale = np.float32(1 / 255) if figure.colours.dtype == np.uint8 else np.float32(1)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        guard.check()
        rows = slice(top, min(top + STRIP_ROWS, height))
        glow = _rows_of(rim, rows, width, height)[..., None]
        lit = figure.colours[rows] * scale * tint * (1 + 0.10 * side)
        lit = 1 - (1 - np.clip(lit, 0, 1)) * (1 - glow * accent)
        share = figure.alpha[rows][..., None]
        strip = lit * 255 * share + backdrop[rows] * (1 - share)
        out[rows] = np.clip(strip + 0.5, 0, 255).astype(np.uint8)
    return out


def _rim(alpha: Float, setting: Setting) -> Float:
    """Light on the edge that looks to the lamp, [h, w], 0 to 1."""
    longest = max(alpha.shape)
    inner = cv2.GaussianBlur(alpha, (0, 0), 0.010 * longest)
    edge = np.clip(alpha - inner, 0, 1) * 2
    slope_x = cv2.Sobel(inner, cv2.CV_32F, 1, 0, ksize=3)
    slope_y = cv2.Sobel(inner, cv2.CV_32F, 0, 1, ksize=3)
    towards = setting.lamp.direction
    steep = np.hypot(slope_x, slope_y) + 1e-4
    facing = np.clip(-(slope_x * towards[0] + slope_y * towards[1]) / steep, 0, 1)
    rim: Float = (0.55 * edge * facing).astype(np.float32)
    return rim


def _rows_of(small: Float, rows: slice, width: int, height: int) -> Float:
    """Rows of `small` enlarged to height x width."""
    if small.shape == (height, width):
        return small[rows]
    scale_x, scale_y = width / small.shape[1], height / small.shape[0]
    matrix = np.array(
        [[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2 - rows.start]], np.float32
    )
    size = (width, rows.stop - rows.start)
    part: Float = cv2.warpAffine(small, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return part


def _bytes(picture: Float) -> Pixels:
    pixels: Pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels
