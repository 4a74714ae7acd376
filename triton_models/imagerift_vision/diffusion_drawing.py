"""What a diffusion network is asked to draw, and the last look at each picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.diffusion_families.family import Task, Way
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.errors import VisionError
from imagerift_vision.requests import ModelVersion

Pixels = NDArray[np.uint8]

# A drawn picture has more contrast than this somewhere; without noise in the latents it has none.
LEAST_RANGE = 2


@dataclass(frozen=True)
class Drawing:
    """One picture, but for its seed."""

    task: Task
    prompt: str
    width: int
    height: int
    picture: Pixels | None = None
    """[height, width, 3]: drawn over (`img2img`, `inpaint`) or looked at (`edit`)."""
    mask: Pixels | None = None
    """[height, width]: 255 where `inpaint` draws, 0 where the picture stays as it is."""
    references: tuple[Pixels, ...] = ()
    """Each [h, w, 3]: more pictures that `edit` looks at, as far as the weights do."""
    control: Pixels | None = None
    """[height, width, 3]: what the recipe's ControlNet sees."""


class Network(Protocol):
    """Runs the pipelines of some weights."""

    def task_of(self, recipe: Recipe) -> Task:
        """What is done with the source; where the recipe says nothing, what its weights do."""

    def tasks_of(self, recipe: Recipe) -> tuple[Task, ...]:
        """What its weights can do."""

    def versions(self, recipe: Recipe) -> tuple[ModelVersion, ...]:
        """Names and versions of what draws so."""

    def draw(
        self, drawing: Drawing, recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | VisionError]:
        """One picture of the drawing's size a seed, or why there is none.

        Raises VisionError `canceled` or `timeout` between steps; may raise anything else.
        """

    def close(self) -> None:
        """Give the device's memory back. Nothing is drawn with it afterwards."""


class WholeNetwork(Network, Protocol):
    """A network that draws a picture of its own for each seed."""

    def draw_all(
        self, drawings: Sequence[Drawing], recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | VisionError]:
        """As `draw`, of a drawing for each seed; all have one task and one size."""


class JoiningNetwork(WholeNetwork, Protocol):
    """A network that knows where it can do so."""

    def joins(self, task: Task, recipe: Recipe) -> bool:
        """Whether prompt and picture may differ from one seed to the next."""


def shown(reference: Pixels, way: Way) -> Pixels:
    """[h, w, 3] as the way takes it: its border is gone on with, and it is enlarged, as needed."""
    high, wide = reference.shape[:2]
    least = math.ceil(max(high, wide) / way.longest)
    more = (max(0, least - high), max(0, least - wide))
    if any(more):
        (top, left), (bottom, right) = ([n // 2 for n in more], [n - n // 2 for n in more])
        reference = np.asarray(
            cv2.copyMakeBorder(reference, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8
        )
        high, wide = reference.shape[:2]
    scale = way.least_side / min(high, wide)
    if scale <= 1:
        return reference
    size = (round(wide * scale), round(high * scale))
    return np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_LANCZOS4), np.uint8)


def finished(drawn: NDArray[np.float32], drawing: Drawing) -> Pixels | VisionError:
    """The picture to give out, of the size wanted, from [h, w, 3] of 0 to 1; or what is wrong.

    What the mask leaves out is the picture's own, to the bit.
    """
    if not np.isfinite(drawn).all():
        return VisionError("model_error", "the model drew no numbers")
    pixels = (np.clip(drawn, 0, 1) * 255 + 0.5).astype(np.uint8)
    if int(np.ptp(pixels.reshape(-1, 3), axis=0).max()) < LEAST_RANGE:
        return VisionError("model_error", "the model drew one flat colour")
    size = (drawing.width, drawing.height)
    if pixels.shape[1::-1] != size:
        way = cv2.INTER_AREA if pixels.shape[1] > drawing.width else cv2.INTER_LANCZOS4
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
    if drawing.mask is not None and drawing.picture is not None:
        pixels = np.where(drawing.mask[..., None] > 0, pixels, drawing.picture)
    return pixels
