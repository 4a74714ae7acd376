"""What a source shows: its subject, cut out, and where it was cut from. Kept for the next seed."""

import hashlib
from dataclasses import dataclass

import numpy as np
from imagerift_contract.values import SubjectReason
from numpy.typing import NDArray

from imagerift_vision.analysis import SubjectFound
from imagerift_vision.encoding import on_white
from imagerift_vision.errors import VisionError
from imagerift_vision.matting import Matte, Matting, bled, estimate_foreground, own_matte
from imagerift_vision.requests import ModelVersion
from imagerift_vision.scene.placement import Subject, describe, needed, trimmed

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Studied:
    """The analysis of a source, the same for every seed."""

    digest: bytes
    rgb: Pixels
    """[h, w, 3]: the source as it came; on white, where its own alpha lets that through."""
    matte: Matte
    subject: Subject | None
    matted_by: ModelVersion | None
    original: Pixels | None = None
    """[h, w, 3]: the subject's part of `rgb`, pixel for pixel."""

    @property
    def found(self) -> SubjectFound:
        """What becomes of the subject."""
        if self.subject is not None:
            return SubjectFound("cut_out", self.matte.reason, self.matte.confidence)
        reason: SubjectReason = "close_up" if self.matte.separable else self.matte.reason
        return SubjectFound("graded", reason, self.matte.confidence)


class Study:
    """Finds subjects; what it found in the last source is kept."""

    def __init__(self, matting: Matting) -> None:
        """The network may be others' as well."""
        self._matting = matting
        self._last: Studied | None = None

    def of(
        self, rgba: Pixels, digest: bytes, *, masked: bool, even_in_doubt: bool = False
    ) -> Studied:
        """What [h, w, 4] pixels of that digest show.

        `masked` says that their alpha is the caller's own matte. A cut-out in doubt counts as
        none, but for `even_in_doubt`.
        """
        digest += repr(even_in_doubt).encode()
        if self._last is not None and self._last.digest == digest:
            return self._last
        self._last = None
        alpha = rgba[..., 3]
        matte = own_matte(alpha, masked=masked)
        matted_by = None
        rgb = np.ascontiguousarray(rgba[..., :3]) if masked else on_white(rgba)
        if masked or matte is None:
            if matte is None:
                matte = self._matting.matte(rgb)
                matted_by = self._matting.version
            cut = matte.separable or (even_in_doubt and matte.reason == "doubt")
            # Under a mask the old backdrop shines through as under an estimated matte.
            colours = estimate_foreground(rgb, matte.alpha) if cut else None
        else:
            # Colours under the own alpha are the subject's already; only bare paper is filled in.
            colours = bled(rgba[..., :3], matte.alpha) if matte.separable else None
        subject, original = None, None
        if colours is not None:
            found = describe(colours, matte.alpha)
            # A close-up that the frame cuts above as well has no place in another scene.
            if not ("top" in found.touches and len(found.touches) > 1):
                subject = trimmed(found)
                original = np.ascontiguousarray(rgb[needed(found)])
        self._last = Studied(digest, rgb, matte, subject, matted_by, original)
        return self._last


def digest_of(rgba: Pixels, *, masked: bool) -> bytes:
    """What tells one source from another."""
    digest = hashlib.blake2b(rgba.tobytes(), digest_size=16).digest()
    return digest + repr((rgba.shape, masked)).encode()


def unclear(studied: Studied) -> VisionError:
    """Why nothing is made of a picture whose subject cannot be cut out."""
    why = {
        "none": "nothing stands out in the picture",
        "doubt": "the subject's cut-out is in doubt",
        "close_up": "the frame cuts the subject on several sides",
    }[studied.found.reason]
    sure = studied.found.confidence
    told = "" if sure is None else f" (confidence {sure:.2f})"
    return VisionError("subject_unclear", f"{why}{told}; a mask of your own says what it is")
