"""The `cutout` mode: the subject alone, on nothing or on a plain colour."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from imagerift_contract.cutouts import (
    CUTOUT_PRESETS,
    DEFAULT_CUTOUT_PRESET,
    CutoutOptions,
    chosen,
)
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis, SubjectFound
from imagerift_vision.control import Guard
from imagerift_vision.cutout_canvas import CutSubject, laid_out, spot_of
from imagerift_vision.edge_colours import freed
from imagerift_vision.errors import VisionError
from imagerift_vision.matting import Matte, Matting, own_matte
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.requests import ModelVersion

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

CUTTER = ModelVersion("imagerift-cutout", "1")


@dataclass(frozen=True)
class Cut:
    """A source's cut-out, the same on every canvas."""

    digest: bytes
    subject: CutSubject
    matte: Matte
    matted_by: ModelVersion | None


class CutoutMode:
    """All networks of the mode, loaded once; the last source's cut-out is kept."""

    def __init__(self, threads: int) -> None:
        """Load the networks."""
        self._matting = Matting(threads)
        self._last: Cut | None = None

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """The one cut-out: [1, height, width, 4], or 3 on a colour.

        Raises VisionError: `subject_unclear`, `invalid_request` (an unknown preset, or several
        seeds: they would all give the same picture), `canceled`, `timeout`.
        """
        preset = call.preset or DEFAULT_CUTOUT_PRESET
        if preset not in CUTOUT_PRESETS:
            raise VisionError("invalid_request", "the cutout mode does not have this preset")
        if len(call.seeds) != 1:
            raise VisionError("invalid_request", "cutout makes one picture: seeds change nothing")
        options = chosen(call.cutout or CutoutOptions(), preset)
        guard.check()
        cut = self._cut(call, guard)
        guard.check()
        size = (call.width, call.height)
        spot = spot_of(cut.subject, size, options)
        canvas = laid_out(cut.subject, spot, size, options, guard)
        told = Analysis(subject=SubjectFound("cut_out", cut.matte.reason, cut.matte.confidence))
        models = (CUTTER,) if cut.matted_by is None else (CUTTER, cut.matted_by)
        return ModeAnswer(canvas[None], preset, models, analysis=told)

    def _cut(self, call: ModeCall, guard: Guard) -> Cut:
        digest = hashlib.blake2b(call.image.tobytes(), digest_size=16).digest()
        digest += repr((call.image.shape, call.masked)).encode()
        deliver_doubt = call.on_unclear_subject == "cut"
        if self._last is not None and self._last.digest == digest:
            _check_clear(self._last.matte, deliver_doubt=deliver_doubt)
            return self._last
        self._last = None
        matte, matted_by = self._matte(call)
        _check_clear(matte, deliver_doubt=deliver_doubt)
        guard.check()
        own = matted_by is None and not call.masked
        subject = CutSubject(freed(call.image, matte.alpha, guard, own=own), matte.alpha)
        self._last = Cut(digest, subject, matte, matted_by)
        return self._last

    def _matte(self, call: ModeCall) -> tuple[Matte, ModelVersion | None]:
        """The matte, and what estimated it: None where the caller or the source gave it."""
        given = own_matte(call.image[..., 3], masked=call.masked)
        if given is not None:
            return given, None
        rgb = np.ascontiguousarray(call.image[..., :3])
        matte = self._matting.matte(rgb)
        # What little is transparent in the source stays so.
        seen = call.image[..., 3].astype(np.float32) / 255
        return replace(matte, alpha=matte.alpha * seen), self._matting.version


def _check_clear(matte: Matte, *, deliver_doubt: bool) -> None:
    if matte.separable or (matte.reason == "doubt" and deliver_doubt):
        return
    if matte.reason != "doubt":
        raise VisionError(
            "subject_unclear",
            "nothing stands out in the picture; a mask of your own says what does",
        )
    raise VisionError(
        "subject_unclear",
        f"the subject's cut-out is in doubt (confidence {matte.confidence or 0:.2f}); a mask of "
        "your own says what it is, onUnclearSubject 'cut' delivers it all the same",
    )
