"""Several sets of weights on one device: the one that was used the longest ago makes room."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.diffusion_drawing import Drawing, WholeNetwork
from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_settings import DiffusionSettings, Recipe
from imagerift_vision.errors import VisionError
from imagerift_vision.requests import ModelVersion

log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]


class LoadedNetworks:
    """A pool's networks, each loaded when it is first drawn with; the pool's own at once."""

    def __init__(
        self, settings: DiffusionSettings, opened: Callable[[DiffusionSettings], WholeNetwork]
    ) -> None:
        """Look at all weights, and load the first.

        `opened` loads one set. Raises what it raises, and what `DiffusionSettings.checked` does
        for any of the weights: a preset that could never be drawn is found out at the start.
        """
        self._settings = {name: settings.of(name) for name in (None, *settings.models)}
        self._families = {name: one.checked().family for name, one in self._settings.items()}
        self._budget = settings.budget_gib
        self._opened = opened
        self._loaded: OrderedDict[str | None, WholeNetwork] = OrderedDict()
        self._network(settings.base.model)

    def task_of(self, recipe: Recipe) -> Task:
        """The recipe's, or the first that its weights can do."""
        return recipe.task or self._families[recipe.model].tasks[0]

    def tasks_of(self, recipe: Recipe) -> tuple[Task, ...]:
        """What its weights can do."""
        return self._families[recipe.model].tasks

    def versions(self, recipe: Recipe) -> tuple[ModelVersion, ...]:
        """Those of the recipe's network."""
        return self._network(recipe.model).versions(recipe)

    def joins(self, task: Task, recipe: Recipe) -> bool:
        """Whether prompt and picture may differ from one seed to the next."""
        return self._families[recipe.model].ways[task].repeated

    def draw(
        self, drawing: Drawing, recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | VisionError]:
        """As `draw_all`, one drawing for all seeds."""
        return self._ready(recipe, guard).draw(drawing, recipe, seeds, guard)

    def draw_all(
        self, drawings: Sequence[Drawing], recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | VisionError]:
        """Draw with the recipe's network, which is loaded first where it is not there.

        Raises VisionError `model_error` where it cannot be, and what drawing raises.
        """
        return self._ready(recipe, guard).draw_all(drawings, recipe, seeds, guard)

    def _ready(self, recipe: Recipe, guard: Guard) -> WholeNetwork:
        guard.check()
        try:
            return self._network(recipe.model)
        except Exception:
            # No prompt is in it: nothing was drawn yet.
            log.exception("%s was not loaded", self._settings[recipe.model].weights)
            reason = "the preset's weights could not be loaded"
            raise VisionError("model_error", reason) from None

    def close(self) -> None:
        """Let all go."""
        while self._loaded:
            self._loaded.popitem()[1].close()

    def _network(self, name: str | None) -> WholeNetwork:
        if name not in self._loaded:
            self._make_room(self._settings[name].options.vram_gib or 0)
            self._loaded[name] = self._opened(self._settings[name])
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def _make_room(self, wanted: float) -> None:
        if self._budget is None:
            return
        while self._loaded and wanted + self._held() > self._budget:
            self._loaded.popitem(last=False)[1].close()

    def _held(self) -> float:
        """GiB on the GPU by the settings' own figures."""
        return sum(self._settings[name].options.vram_gib or 0 for name in self._loaded)
