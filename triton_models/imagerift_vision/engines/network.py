"""What draws for the `remote` model: an engine outside, in the place of weights of one's own."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.diffusion_drawing import Drawing, finished
from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.engines import comfyui, openai_images
from imagerift_vision.engines.client import EngineClient, watched
from imagerift_vision.engines.pictures import decoded
from imagerift_vision.engines.settings import EngineSettings
from imagerift_vision.errors import JOB_ENDING, VisionError
from imagerift_vision.requests import ModelVersion

Pixels = NDArray[np.uint8]


class EngineNetwork:
    """Has an engine draw. A `Network` of the diffusion mode, which frames and sizes around it."""

    def __init__(self, settings: EngineSettings, decoding: DecodingProcess) -> None:
        """`decoding` is where the engine's pictures are read: they are a stranger's."""
        self._settings = settings
        self._decoding = decoding
        self._loop = asyncio.new_event_loop()

    def task_of(self, recipe: Recipe) -> Task:
        """What is done with the source; where the recipe says nothing, what the engine does."""
        return recipe.task or self._settings.tasks[0]

    def tasks_of(self, _recipe: Recipe) -> tuple[Task, ...]:
        """What can be asked of the engine."""
        return self._settings.tasks

    def versions(self, recipe: Recipe) -> tuple[ModelVersion, ...]:
        """The workflow with its fingerprint, or the engine's model."""
        workflow = self._settings.workflow
        name = recipe.model or self._settings.model
        if workflow is not None:
            return (ModelVersion(name or workflow.name, workflow.version),)
        return (ModelVersion(name or self._settings.kind, self._settings.kind),)

    def draw(
        self, drawing: Drawing, recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | VisionError]:
        """One picture a seed, of the drawing's proportions and its size or more, or why not.

        Raises VisionError `canceled` or `timeout`, whatever the engine is at.
        """
        guard.check()
        files = self._loop.run_until_complete(watched(self._files(drawing, recipe, seeds), guard))
        return [
            file if isinstance(file, VisionError) else self._read(file, drawing, guard)
            for file in files
        ]

    def close(self) -> None:
        """End the loop and the processes that decode."""
        self._loop.close()
        self._decoding.close()

    async def _files(
        self, drawing: Drawing, recipe: Recipe, seeds: Sequence[int]
    ) -> list[bytes | VisionError]:
        private = (drawing.prompt, recipe.negative_prompt)
        settings = self._settings
        async with EngineClient(settings.origin, settings.credential, private) as client:
            return await asyncio.gather(
                *(self._file(client, drawing, recipe, seed) for seed in seeds)
            )

    async def _file(
        self, client: EngineClient, drawing: Drawing, recipe: Recipe, seed: int
    ) -> bytes | VisionError:
        workflow = self._settings.workflow
        try:
            if workflow is not None:
                return await comfyui.draw(client, workflow, drawing, recipe, seed)
            return await openai_images.draw(client, self._settings, drawing, recipe, seed)
        except VisionError as error:
            return error

    def _read(self, file: bytes, drawing: Drawing, guard: Guard) -> Pixels | VisionError:
        try:
            pixels = decoded(file, drawing, self._decoding, guard)
        except VisionError as error:
            if error.code in JOB_ENDING:
                raise
            return error
        high, wide = pixels.shape[:2]
        if drawing.mask is None and wide > drawing.width:
            # Nothing is thrown away of a picture that the engine has enlarged itself.
            drawing = replace(drawing, width=wide, height=high)
        return finished(pixels.astype(np.float32) / 255, drawing)
