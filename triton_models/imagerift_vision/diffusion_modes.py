"""Modes that want one task of a diffusion model, and which of a pool's weights can do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_settings import DiffusionSettings, Recipe, Recipes

MODE_TASKS: Mapping[str, tuple[Task, ...]] = MappingProxyType(
    {
        # The background of a scene: around its subject, or of the empty set.
        "scene": ("inpaint", "edit"),
        "edit": ("edit",),
        "generate": ("generate",),
    }
)
# The set is drawn over, not forgotten: where it is light and where the floor ends is known by it.
SCENE_STRENGTH = 0.9


def recipe_for(
    mode: str, settings: Recipes, tasks_of: Callable[[Recipe], tuple[Task, ...]]
) -> Recipe | None:
    """What a mode of `MODE_TASKS` is drawn with, its task named; None where nothing here can.

    That is what the settings say of the mode, or the first weights that can: the base's, then the
    pool's others. `tasks_of` tells what the weights of a recipe can do.
    """
    wanted, named = MODE_TASKS[mode], settings.modes.get(mode)
    for recipe in [named] if named is not None else _plain(settings):
        can = [task for task in tasks_of(recipe) if recipe.task in (None, task)]
        task = next((task for task in wanted if task in can), None)
        if task is not None:
            drawn_over = mode == "scene" and task == "inpaint" and recipe.steps != 1
            strength = recipe.strength or (SCENE_STRENGTH if drawn_over else None)
            return replace(recipe, task=task, strength=strength)
    return None


def _plain(settings: Recipes) -> list[Recipe]:
    """The base with each of the pool's weights, without what only suits the presets' own task."""
    base = replace(settings.base, task=None, strength=None, controlnet=None)
    others = [name for name in (None, *settings.models) if name != base.model]
    return [base, *(replace(base, model=name, loras=()) for name in others)]


@dataclass(frozen=True)
class Served:
    """How a pool's weights draw a mode."""

    task: Task
    references: int
    """Pictures beside the mode's own that they look at."""


def served(settings: DiffusionSettings) -> dict[str, Served]:
    """The modes of `MODE_TASKS` that the pool's weights can draw, and how.

    Raises FileNotFoundError or ValueError for weights that are of no use, as `checked` does.
    """
    families = {name: settings.of(name).checked().family for name in (None, *settings.models)}
    found = {}
    for mode in MODE_TASKS:
        recipe = recipe_for(mode, settings, lambda one: families[one.model].tasks)
        if recipe is not None and recipe.task is not None:
            way = families[recipe.model].ways[recipe.task]
            looks = way.picture == "references"
            found[mode] = Served(recipe.task, way.most - 1 if looks else 0)
    return found
