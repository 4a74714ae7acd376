"""The mode behind GPU pools: a source redrawn by a diffusion model, one picture a seed."""

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis
from imagerift_vision.control import Guard
from imagerift_vision.diffusion_settings import DiffusionSettings, Recipe
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import JOB_ENDING, VisionError, from_exception
from imagerift_vision.faces import FaceFinder
from imagerift_vision.framing import Framed, Framer, on_paper
from imagerift_vision.generate import ModeAnswer, ModeCall
from imagerift_vision.matting import Matting
from imagerift_vision.portrait import portray
from imagerift_vision.presets import PRESETS
from imagerift_vision.requests import ModelVersion
from imagerift_vision.superres import SuperResolver

Pixels = NDArray[np.uint8]

# Latents have an eighth of the pixels a side, and the network halves them once more at least.
GRID = 16
RESOLVE_FROM_SCALE = 1.25
MOST_PIXELS_TO_RESOLVE = 2_000_000


class Network(Protocol):
    """Runs a diffusion pipeline."""

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """Names and versions of what draws."""

    def draw(
        self, picture: Pixels, prompt: str, recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | None]:
        """One picture of `picture`'s size a seed; None where the weights' own checker refused it.

        Raises VisionError `canceled` or `timeout` between steps; may raise anything else.
        """


class DiffusionMode:
    """Frames the source, has it redrawn, and brings it to the size wanted."""

    def __init__(self, settings: DiffusionSettings, network: Network, threads: int) -> None:
        """Load the networks around the diffusion model."""
        self._settings = settings
        self._network = network
        self._matting = Matting(threads)
        self._faces = FaceFinder()
        self._framer = Framer(self._matting, self._faces)
        self._resolver = SuperResolver(threads)

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """One picture a seed, [N, height, width, 3]; what fails or is refused alone is omitted.

        Raises VisionError: `invalid_request` (unknown preset), `no_face_found`, `canceled`,
        `timeout`, or the code of the first failure when no picture could be made.
        """
        guard.check()
        recipe = self._recipe(call.preset)
        prompt = ", ".join(text for text in (call.prompt.strip(), recipe.prompt) if text)
        framed = self._framed(call, guard)
        models = framed.models
        picture = cv2.resize(
            framed.rgb, _drawing_size(call, recipe.edge), interpolation=cv2.INTER_AREA
        )
        images: list[Pixels] = []
        omitted: list[tuple[int, str]] = []
        first: VisionError | None = None
        for start in range(0, len(call.seeds), self._settings.batch):
            seeds = call.seeds[start : start + self._settings.batch]
            guard.check()
            try:
                drawn = self._network.draw(picture, prompt, recipe, seeds, guard)
                ready = [one if one is None else self._sized(one, call, guard) for one in drawn]
            except Exception as failure:  # noqa: BLE001 - one batch fails alone
                reason = from_exception(failure)
                if reason.code in JOB_ENDING:
                    raise reason from None
                log_failure(failure)
                first = first or reason
                omitted += [(start + index, reason.code) for index in range(len(seeds))]
                continue
            refused = [start + index for index, one in enumerate(ready) if one is None]
            omitted += [(position, "content_filtered") for position in refused]
            images += [one for one in ready if one is not None]
        if first is not None and not images:
            raise first
        if _resolves(picture, call):
            models = (*models, self._resolver.version)
        return ModeAnswer(
            images=np.stack(images) if images else np.zeros((0, 1, 1, 3), np.uint8),
            preset=call.preset,
            models=(*self._network.versions, *models),
            omitted=tuple(omitted),
            analysis=Analysis(framing=framed.how, people=framed.people),
        )

    def _recipe(self, preset: str | None) -> Recipe:
        settings = self._settings
        if preset is None:
            return settings.base
        shipped = PRESETS.get(preset)
        if preset not in settings.presets and shipped is None:
            raise VisionError("invalid_request", "the diffusion model does not have this preset")
        recipe = settings.presets.get(preset, settings.base)
        if recipe.prompt or shipped is None:
            return recipe
        return recipe.saying(shipped.meaning)

    def _framed(self, call: ModeCall, guard: Guard) -> Framed:
        if call.preset in self._settings.face_presets:
            portrait = portray(
                call.image,
                call.width,
                call.height,
                self._faces,
                self._matting,
                masked=call.masked,
            )
            return Framed(portrait.rgb, "cropped", portrait.people, (self._faces.version,))
        if call.masked:
            raise VisionError("invalid_request", "the diffusion model cuts nothing out: no mask")
        ratio = call.width / call.height
        return self._framer.framed(on_paper(call.image), ratio, guard)

    def _sized(self, drawn: Pixels, call: ModeCall, guard: Guard) -> Pixels:
        if _resolves(drawn, call):
            drawn = self._resolver.enlarge_pixels(drawn, guard)
        if drawn.shape[:2] == (call.height, call.width):
            return drawn
        way = cv2.INTER_AREA if drawn.shape[1] > call.width else cv2.INTER_LANCZOS4
        return np.asarray(cv2.resize(drawn, (call.width, call.height), interpolation=way), np.uint8)


def _drawing_size(call: ModeCall, edge: int) -> tuple[int, int]:
    """Width and height that the network draws at.

    On its grid, so the picture is stretched by a hair; bringing it to the output's size undoes it.
    """
    scale = edge / max(call.width, call.height)
    wide, high = (
        max(GRID, round(side * scale / GRID) * GRID) for side in (call.width, call.height)
    )
    return wide, high


def _resolves(picture: Pixels, call: ModeCall) -> bool:
    height, width = picture.shape[:2]
    large = call.width >= width * RESOLVE_FROM_SCALE
    return large and height * width <= MOST_PIXELS_TO_RESOLVE
