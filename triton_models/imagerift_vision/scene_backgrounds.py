"""Backgrounds of `scene` that the pool's diffusion model draws, called as any mode's model is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_modes import served
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.errors import ERROR_CODES, VisionError
from imagerift_vision.mode_call import ModeCall, ModeModels
from imagerift_vision.requests import ModelVersion
from imagerift_vision.settings import DIFFUSION

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

MODE = "scene"
# What an editor is shown is the set without the product: what it moves or doubles is not there.
INSTRUCTION = (
    "Make a photograph of this empty set: {prompt}. Keep the camera, the floor, the direction of "
    "the light and the soft shadow in the middle. Put nothing where the shadow is, and no text."
)
# What a prompt may be long; an instruction is longer by itself.
LONGEST_PROMPT = 2_000


class Backgrounds(Protocol):
    """What draws a background."""

    def draw(
        self, call: ModeCall, seed: int, stage: Pixels, init: Pixels, alpha: Float
    ) -> tuple[Pixels, tuple[ModelVersion, ...]]:
        """A background in place of the empty `stage`, and what drew it; all [h, w, …]."""


@dataclass(frozen=True)
class DrawnBackgrounds:
    """By the pool's model: around the product, or by an instruction."""

    models: ModeModels
    model: str
    task: Task

    def draw(
        self, call: ModeCall, seed: int, stage: Pixels, init: Pixels, alpha: Float
    ) -> tuple[Pixels, tuple[ModelVersion, ...]]:
        """A background in place of the empty `stage`, [h, w, 3], and what drew it.

        `init` is the stage with the product on it, `alpha` [h, w] its matte. Raises VisionError
        with the model's code where it gives no picture.
        """
        around = self.task == "inpaint"
        matte = (alpha * 255 + 0.5).astype(np.uint8) if around else np.full_like(stage[..., 0], 255)
        prompt = call.prompt if around else INSTRUCTION.format(prompt=call.prompt)
        height, width = stage.shape[:2]
        asked = replace(
            call,
            model=self.model,
            image=np.dstack([init if around else stage, matte]),
            prompt=prompt[:LONGEST_PROMPT],
            seeds=(seed,),
            width=width,
            height=height,
            masked=around,
            mode=MODE,
        )
        answer = self.models.call(asked)
        if answer.error is not None:
            raise answer.error
        if answer.omitted:
            told = answer.omitted[0][1]
            code = next((code for code in ERROR_CODES if code == told), ERROR_CODES[0])
            raise VisionError(code, "the background could not be drawn")
        if answer.images.shape != (1, height, width, 3):
            raise VisionError("model_error", "the background's model gave another size")
        return np.asarray(answer.images[0], np.uint8), answer.models


def backgrounds_of(
    models: ModeModels, model: str | None, environment: Mapping[str, str]
) -> DrawnBackgrounds | None:
    """Backgrounds by that model of the pool; None where there is none that could draw them.

    A model of one's own is called as for `inpaint`. Raises FileNotFoundError or ValueError where
    the diffusion model's settings or weights are of no use.
    """
    if model is None:
        return None
    if model != DIFFUSION:
        return DrawnBackgrounds(models, model, "inpaint")
    how = served(DiffusionSettings.from_environment(environment)).get(MODE)
    return None if how is None else DrawnBackgrounds(models, model, how.task)
