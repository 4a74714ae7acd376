"""The safety gate: a model of the operator's own that may refuse a source, a prompt or an output.

Which one stands in the pool's settings; none is the default. It fails closed: a picture that the
gate could not look at is not delivered.
"""

import json
import time
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from imagerift_vision.errors import VisionError
from imagerift_vision.requests import GenerateRequest, ModelVersion

Stage = Literal["input", "output"]

OPAQUE = 255


@dataclass(frozen=True)
class Look:
    """What the gate is asked about."""

    stage: Stage
    images: NDArray[np.uint8]
    """[N, H, W, 4], sRGB, straight alpha: the source alone, or outputs of one size."""
    request: GenerateRequest
    preset: str | None
    """As asked for at the input, as used at the output."""
    seconds_left: float

    def parameters(self) -> str:
        """The PARAMETERS document."""
        return json.dumps(
            {
                "attemptId": self.request.attempt_id,
                "deadline": time.time() + self.seconds_left,
                "stage": self.stage,
                "mode": self.request.mode,
                "preset": self.preset,
                "prompt": self.request.prompt,
            }
        )


@dataclass(frozen=True)
class Verdict:
    """What the gate refuses."""

    blocked: frozenset[int]
    """Positions of the pictures that must not go on."""
    models: tuple[ModelVersion, ...] = ()


class Gate(Protocol):
    """Runs the gate's model."""

    @property
    def name(self) -> str:
        """The model's name in the repository."""

    def look(self, look: Look) -> Verdict:
        """Judge the pictures. Raises VisionError where they could not be judged."""


def check_gate(wanted: str | None, gate: Gate | None) -> None:
    """Raises VisionError `model_error` where the gate that must judge a job is not this one."""
    if wanted is not None and (gate is None or gate.name != wanted):
        raise VisionError("model_error", "the safety gate that jobs must pass is not here")


def opaque(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures [N, H, W, 3] with an opaque alpha, [N, H, W, 4]; those that have alpha as is."""
    if pictures.shape[3] == 4:
        return pictures
    count, height, width = pictures.shape[:3]
    solid = np.full((count, height, width, 4), OPAQUE, np.uint8)
    solid[..., :3] = pictures
    return solid


def read_verdict(raw: bytes | str, pictures: int) -> Verdict:
    """Read a VERDICT document about that many pictures.

    Raises VisionError `model_error` for anything else than a whole verdict.
    """
    try:
        document = json.loads(raw)
        blocked = document["blocked"]
        models = tuple(
            ModelVersion(str(model["name"]), str(model["version"]))
            for model in document.get("models") or ()
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _broken() from None
    if not isinstance(blocked, list) or not all(_is_position(item, pictures) for item in blocked):
        raise _broken()
    return Verdict(frozenset(blocked), models)


def _is_position(item: Any, pictures: int) -> bool:
    return type(item) is int and 0 <= item < pictures


def _broken() -> VisionError:
    return VisionError("model_error", "the safety gate broke its contract")
