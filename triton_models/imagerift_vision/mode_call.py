"""What a mode's model is asked for, and what it answers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from imagerift_contract.cutouts import CutoutOptions
from imagerift_contract.values import DEFAULT_ON_UNCLEAR_SUBJECT, OnUnclearSubject
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis
from imagerift_vision.errors import VisionError
from imagerift_vision.requests import ModelVersion
from imagerift_vision.subject_proof import SubjectProof


@dataclass(frozen=True)
class ModeCall:
    """What a mode's model is asked for: one picture a seed."""

    model: str
    image: NDArray[np.uint8]
    attempt_id: str
    seconds_left: float
    prompt: str
    preset: str | None
    seeds: tuple[int, ...]
    width: int
    height: int
    on_unclear_subject: OnUnclearSubject = DEFAULT_ON_UNCLEAR_SUBJECT
    masked: bool = False
    """Whether the image's alpha is the caller's own matte."""
    cutout: CutoutOptions | None = None
    mode: str | None = None
    """The job's mode; None where a model is called for something else."""
    negative_prompt: str = ""
    """What is not to be seen."""
    keep_subject: bool = True
    """Whether the subject's own pixels are to be in the picture."""
    references: tuple[NDArray[np.uint8], ...] = ()
    """Each [h, w, 4], like the image: pictures that are looked at beside it."""
    spare: float = 0.0
    """Seconds that it may wait for the model, beside those that are left."""
    waited: float = 0.0
    """Seconds that it has waited so before it was read."""


@dataclass(frozen=True)
class ModeAnswer:
    """What a mode's model gave: the pictures of the seeds that are not omitted, in order."""

    images: NDArray[np.uint8]
    """[N, height, width, 3] sRGB, or 4 with straight alpha."""
    preset: str | None
    models: tuple[ModelVersion, ...]
    omitted: tuple[tuple[int, str], ...] = ()
    error: VisionError | None = None
    analysis: Analysis | None = None
    proofs: tuple[SubjectProof | None, ...] = ()
    """Of each of `images`, or none at all: that the subject in it was kept."""
    waited: float = 0.0
    """Seconds that the call waited while the model worked for others."""


class ModeModels(Protocol):
    """Calls the modes' models, on a server or in this process."""

    def call(self, call: ModeCall) -> ModeAnswer:
        """Run a mode's model. Raises VisionError when it cannot be run."""
