"""The `style` mode: one upright picture in, the preset's pictures of it out."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis
from imagerift_vision.control import Guard
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import JOB_ENDING, VisionError, from_exception
from imagerift_vision.faces import FaceFinder
from imagerift_vision.framing import Framed, Framer, is_ratio
from imagerift_vision.matting import Matte, Matting
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.painting import PAINT_EDGE, Painter
from imagerift_vision.presets import PRESETS, Preset
from imagerift_vision.prompt_read import PromptRead
from imagerift_vision.prompts import PromptReader
from imagerift_vision.requests import ModelVersion
from imagerift_vision.scene.composition import closest, composed
from imagerift_vision.scene.direction import can_show, direct
from imagerift_vision.scene.placement import Subject, densified, warp
from imagerift_vision.scene.render import placed, posed, render
from imagerift_vision.study import Studied, Study, digest_of, unclear
from imagerift_vision.superres import SCALE, SuperResolver
from imagerift_vision.whole_picture import Picture, restyle

Float = NDArray[np.float32]

STUDIO = ModelVersion("imagerift-studio", "1")
# Enlarged less than this, plain resampling keeps more of a photo's texture.
DETAIL_FROM_SCALE = 2.0
# About ten seconds on one core, and 200 MB for the enlarged picture.
MOST_PIXELS_TO_RESOLVE = 1_000_000


@dataclass
class Workpiece:
    """A source's study, and what was made for one seed that the next one needs as well."""

    digest: bytes
    studied: Studied
    dense_subject: Subject | None = None
    """The subject after super-resolution, once it was needed."""
    dense_rgb: NDArray[np.uint8] | None = None
    """The whole picture after super-resolution, once it was needed."""
    has_faces: bool | None = None
    """Whether the whole picture shows people, once that was asked."""
    framed: "tuple[float, Framed, Workpiece] | None" = None
    """The whole picture at another width / height, where it shows people."""


class StyleMode:
    """All networks of the mode, loaded once; the last source's analysis is kept."""

    def __init__(self, threads: int) -> None:
        """Load the networks."""
        self._matting = Matting(threads)
        self._study = Study(self._matting)
        self._faces = FaceFinder()
        self._framer = Framer(self._matting, self._faces)
        self._painter = Painter(threads)
        self._reader = PromptReader(threads, PRESETS)
        self._resolver = SuperResolver(threads)
        self._last: Workpiece | None = None

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """One picture a seed, [N, height, width, 3]; a picture that fails alone is omitted.

        Raises VisionError: `invalid_request` (unknown preset), `canceled`, `timeout`, or the code
        of the first failure when no picture could be made.
        """
        guard.check()
        base, read = self._read(call)
        guard.check()
        analysis = self._workpiece(call)
        if analysis.studied.subject is None and call.on_unclear_subject == "fail":
            raise unclear(analysis.studied)
        read = read.showing(lambda item: can_show(item, base, analysis.studied.subject))
        preset = direct(base, read.scene, analysis.studied.subject)
        told = Analysis(
            read.why,
            read.words or None,
            read.refused,
            prompt_read=read.understood,
            subject=analysis.studied.found,
        )
        if analysis.studied.subject is None:
            analysis, told = self._at_ratio(analysis, call, told, guard)
        images, omitted, first = [], [], None
        for position, seed in enumerate(call.seeds):
            guard.check()
            guard.tell(first=position, together=1)
            try:
                look = composed(preset, seed)
                images.append(self._picture(analysis, look, seed, call, guard))
            except Exception as failure:  # noqa: BLE001 - one variation fails alone
                reason = from_exception(failure)
                if reason.code in JOB_ENDING:
                    raise reason from None
                log_failure(failure)
                first = first or reason
                omitted.append((position, reason.code))
        if not images:
            raise first or VisionError("invalid_request", "no seed was given")
        models = [
            STUDIO,
            analysis.studied.matted_by,
            self._reader.version if read.embedded else None,
        ]
        if told.people is not None:
            models.append(self._faces.version)
        if preset.brush in ("oil", "watercolor"):
            models.append(self._painter.version)
        if self._wants_detail(analysis, preset, call):
            models.append(self._resolver.version)
        return ModeAnswer(
            images=np.stack(images),
            preset=preset.name,
            models=tuple(model for model in models if model is not None),
            omitted=tuple(omitted),
            analysis=told,
        )

    def _read(self, call: ModeCall) -> tuple[Preset, PromptRead]:
        if call.preset not in (None, *PRESETS):
            raise VisionError("invalid_request", "the style mode does not have this preset")
        read = self._reader.read(call.prompt, call.preset)
        return PRESETS[read.preset], read

    def _at_ratio(
        self, analysis: Workpiece, call: ModeCall, told: Analysis, guard: Guard
    ) -> tuple[Workpiece, Analysis]:
        """A picture that is restyled whole, at the call's proportions where it shows people.

        Others are cropped around what stands out when they are restyled.
        """
        high, wide = analysis.studied.rgb.shape[:2]
        ratio = call.width / call.height
        if is_ratio(wide, high, ratio):
            return analysis, replace(told, framing="whole")
        if analysis.has_faces is None:
            analysis.has_faces = bool(self._faces.find(analysis.studied.rgb))
        if not analysis.has_faces:
            return analysis, replace(told, framing="cropped")
        if analysis.framed is None or analysis.framed[0] != ratio:
            framed = self._framer.framed(analysis.studied.rgb, ratio, guard)
            matte = Matte(np.zeros(framed.rgb.shape[:2], np.float32), "none", None)
            studied = Studied(analysis.digest, framed.rgb, matte, None, analysis.studied.matted_by)
            whole = Workpiece(analysis.digest, studied)
            analysis.framed = (ratio, framed, whole)
        _, framed, whole = analysis.framed
        return whole, replace(told, framing=framed.how, people=framed.people)

    def _workpiece(self, call: ModeCall) -> Workpiece:
        digest = digest_of(call.image, masked=call.masked)
        if self._last is None or self._last.digest != digest:
            # Let go before the next one is made: both together would be twice as large.
            self._last = None
            studied = self._study.of(call.image, digest, masked=call.masked)
            self._last = Workpiece(digest, studied)
        return self._last

    def _picture(
        self, analysis: Workpiece, preset: Preset, seed: int, call: ModeCall, guard: Guard
    ) -> NDArray[np.uint8]:
        if preset.brush != "none":
            return self._painting(analysis, preset, seed, call, guard)
        size = (call.width, call.height)
        if analysis.studied.subject is None:
            return restyle(self._whole(analysis, call, guard), preset, seed, size, guard)
        return render(self._subject(analysis, preset, call, guard), preset, seed, size, guard)

    def _painting(
        self, analysis: Workpiece, preset: Preset, seed: int, call: ModeCall, guard: Guard
    ) -> NDArray[np.uint8]:
        """Painted at the brush's own scale; a larger sheet is enlarged from that."""
        scale = min(1.0, PAINT_EDGE / max(call.width, call.height))
        width, height = round(call.width * scale), round(call.height * scale)
        subject = analysis.studied.subject
        if subject is None:
            whole = Picture(analysis.studied.rgb, analysis.studied.matte.alpha)
            photo = restyle(whole, preset, seed, (width, height), guard)
            weight = np.full((height, width), 0.6, np.float32)
        else:
            photo = render(subject, preset, seed, (width, height), guard)
            subject = posed(subject, preset)
            spot = placed(subject, preset, (width, height))
            _, weight = warp(subject, spot, width, height)
        painted = self._painter.paint(photo, weight, preset.brush, seed, guard)
        if scale == 1:
            return painted
        large = self._resolver.enlarge(painted.astype(np.float32) / 255, guard)
        sheet = (large * 255 + 0.5).astype(np.uint8)
        return np.asarray(
            cv2.resize(sheet, (call.width, call.height), interpolation=cv2.INTER_AREA), np.uint8
        )

    def _wants_detail(self, analysis: Workpiece, preset: Preset, call: ModeCall) -> bool:
        """Whether some seed shows the source so large that super-resolution pays: what a picture
        is made with depends on no other seed of its call."""
        if preset.brush != "none":
            return max(call.width, call.height) > PAINT_EDGE
        if analysis.studied.subject is None:
            return _whole_wants_detail(analysis.studied.rgb, call)
        size = (call.width, call.height)
        scale = placed(analysis.studied.subject, closest(preset), size).scale
        return _pays(analysis.studied.subject.alpha.size, scale)

    def _subject(
        self, analysis: Workpiece, preset: Preset, call: ModeCall, guard: Guard
    ) -> Subject:
        subject = analysis.studied.subject
        if subject is None:
            raise ValueError("the picture has no subject")
        if not self._wants_detail(analysis, preset, call):
            return subject
        if analysis.dense_subject is None:
            colours = self._resolver.enlarge(subject.colours, guard)
            analysis.dense_subject = densified(subject, colours, SCALE)
        return analysis.dense_subject

    def _whole(self, analysis: Workpiece, call: ModeCall, guard: Guard) -> Picture:
        interest = analysis.studied.matte.alpha
        if not _whole_wants_detail(analysis.studied.rgb, call):
            return Picture(analysis.studied.rgb, interest)
        if analysis.dense_rgb is None:
            large = self._resolver.enlarge(analysis.studied.rgb.astype(np.float32) / 255, guard)
            analysis.dense_rgb = (large * 255 + 0.5).astype(np.uint8)
        high, wide = analysis.dense_rgb.shape[:2]
        return Picture(analysis.dense_rgb, cv2.resize(interest, (wide, high)))


def _whole_wants_detail(rgb: NDArray[np.uint8], call: ModeCall) -> bool:
    high, wide = rgb.shape[:2]
    return _pays(high * wide, max(call.width / wide, call.height / high))


def _pays(pixels: int, scale: float) -> bool:
    return scale >= DETAIL_FROM_SCALE and pixels <= MOST_PIXELS_TO_RESOLVE
