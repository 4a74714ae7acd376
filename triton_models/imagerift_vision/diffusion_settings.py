"""How the `diffusion` model draws: the pool's settings, read from the environment once."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, get_args

from imagerift_vision.diffusion_controlnet import ControlNet
from imagerift_vision.diffusion_families.catalogue import Weights, weights_in
from imagerift_vision.diffusion_families.family import Defaults, Family, Task
from imagerift_vision.diffusion_options import Lora, Options
from imagerift_vision.settings import DIFFUSION_BATCH

# Names in the settings and of the recipe's members.
MEMBERS = {
    "prompt": "prompt",
    "negativePrompt": "negative_prompt",
    "steps": "steps",
    "strength": "strength",
    "guidanceScale": "guidance_scale",
    "edge": "edge",
    "task": "task",
    "loras": "loras",
    "controlNet": "controlnet",
    "model": "model",
}
MOST_COLLECT_MS = 1_000
# What is drawn around a subject is all new.
STRENGTHS: Mapping[Task, float] = {"img2img": 0.55, "inpaint": 1.0}


@dataclass(frozen=True)
class Recipe:
    """What one picture is drawn with."""

    prompt: str = ""
    """Set behind the user's words."""
    negative_prompt: str = ""
    steps: int | None = None
    """Of the whole schedule; `strength` of them are taken. None: what the weights want."""
    strength: float | None = None
    """How far the picture may leave its source, over 0 to 1. None: what the task wants."""
    guidance_scale: float | None = None
    """None: what the weights want."""
    edge: int = 1024
    """Long edge that the network draws at, in pixels."""
    task: Task | None = None
    """None: the first that the weights can do."""
    loras: tuple[Lora, ...] = ()
    controlnet: ControlNet | None = None
    model: str | None = None
    """Which of the pool's weights; None: the first."""

    def __post_init__(self) -> None:
        """Raises ValueError where nothing could be drawn so."""
        strength = 1.0 if self.strength is None else self.strength
        least = 1 if self.steps is None else math.floor(self.steps * strength)
        if not 0 < strength <= 1 or least < 1:
            raise ValueError("diffusion: steps x strength must give at least one step")
        if not 0 <= (self.guidance_scale or 0) <= 100 or self.edge < 64:
            raise ValueError("diffusion: guidanceScale or edge is out of range")
        if self.task is not None and self.task not in get_args(Task):
            raise ValueError(f"diffusion: {self.task} is no task: {', '.join(get_args(Task))}")

    def completed(self, defaults: Defaults, task: Task) -> "Recipe":
        """The same recipe with the weights' and the task's own numbers where it names none.

        Raises ValueError where those steps and that strength give no step.
        """
        steps = defaults.steps if self.steps is None else self.steps
        scale = defaults.guidance if self.guidance_scale is None else self.guidance_scale
        strength = STRENGTHS.get(task, 1.0) if self.strength is None else self.strength
        return replace(self, steps=steps, guidance_scale=scale, strength=strength)

    def saying(self, prompt: str) -> "Recipe":
        """The same recipe with another prompt."""
        return replace(self, prompt=prompt)


class Recipes(Protocol):
    """What the diffusion mode must know of a pool, whatever it has its pictures drawn by."""

    @property
    def base(self) -> Recipe:
        """Where a preset says nothing."""

    @property
    def presets(self) -> Mapping[str, Recipe]:
        """By preset."""

    @property
    def face_presets(self) -> frozenset[str]:
        """Presets that draw a person."""

    @property
    def modes(self) -> Mapping[str, Recipe]:
        """By mode, of those that want a task of their own."""

    @property
    def models(self) -> Mapping[str, "Model"]:
        """Further weights."""

    @property
    def batch(self) -> int:
        """Pictures drawn at once, at most."""


@dataclass(frozen=True)
class Model:
    """Further weights of a pool, by which a preset may be drawn."""

    weights: Path
    options: Options


@dataclass(frozen=True)
class DiffusionSettings:
    """Settings of one pool's diffusion model."""

    weights: Path
    """Folder of a diffusers pipeline."""
    base: Recipe
    presets: Mapping[str, Recipe]
    face_presets: frozenset[str]
    """Presets that draw a person: the source is framed as a portrait, or `no_face_found`."""
    batch: int
    """Pictures drawn at once, at most."""
    collect_ms: int = 30
    """How long a drawing waits for those of other jobs to join it; 0: it is drawn alone."""
    options: Options = field(default_factory=Options)
    """How the weights are held."""
    models: Mapping[str, Model] = field(default_factory=dict)
    budget_gib: float | None = None
    """What all that are loaded at once may take on the GPU; None: none is ever let go."""
    modes: Mapping[str, Recipe] = field(default_factory=dict)
    """By mode: what those are drawn with that want one task, whatever the preset."""

    def __post_init__(self) -> None:
        """Raises ValueError where a preset names no model, or the budget cannot be reckoned."""
        for recipe in self.recipes:
            if recipe.model is not None and recipe.model not in self.models:
                raise ValueError(f"diffusion: {recipe.model} is none of models")
        if self.budget_gib is None:
            return
        for options in (self.options, *(model.options for model in self.models.values())):
            if options.vram_gib is None or options.vram_gib > self.budget_gib:
                raise ValueError("diffusion: with vramBudgetGiB each model wants a vramGiB in it")

    def of(self, model: str | None) -> "DiffusionSettings":
        """The settings of one set of weights alone."""
        one = Model(self.weights, self.options) if model is None else self.models[model]
        ours = {name: each for name, each in self.presets.items() if each.model == model}
        base = self.base if self.base.model == model else next(iter(ours.values()), Recipe())
        ours = {name: replace(each, model=None) for name, each in ours.items()}
        modes = {
            name: replace(each, model=None)
            for name, each in self.modes.items()
            if each.model == model
        }
        base = replace(base, model=None)
        return replace(
            self, weights=one.weights, options=one.options, base=base, presets=ours,
            models={}, budget_gib=None, modes=modes,
        )  # fmt: skip

    def checked(self) -> Weights:
        """The weights, which can draw all that the settings want of them.

        Raises FileNotFoundError when the folder holds no pipeline, ValueError when its family is
        not known or cannot do what is wanted.
        """
        weights = weights_in(self.weights)
        for recipe in self.recipes:
            task = recipe.task or weights.family.tasks[0]
            recipe.completed(weights.defaults, task)
            if recipe.task is not None and recipe.task not in weights.family.ways:
                tasks = ", ".join(weights.family.tasks)
                raise ValueError(f"diffusion: {weights.family.name} has no {recipe.task}: {tasks}")
            if recipe.controlnet is not None:
                _check(recipe.controlnet, weights.family, task)
        return weights

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """All that may be drawn with."""
        return (self.base, *self.presets.values(), *self.modes.values())

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "DiffusionSettings":
        """Read IMAGERIFT_DIFFUSION (JSON) and IMAGERIFT_DIFFUSION_WEIGHTS, which wins.

        Raises ValueError when they are wrong or name no folder of weights.
        """
        document = json.loads(environment.get("IMAGERIFT_DIFFUSION") or "{}")
        if not isinstance(document, dict):
            raise ValueError("IMAGERIFT_DIFFUSION must be an object")  # noqa: TRY004
        folder = environment.get("IMAGERIFT_DIFFUSION_WEIGHTS") or document.pop("weights", None)
        document.pop("weights", None)
        if not folder:
            raise ValueError("IMAGERIFT_DIFFUSION_WEIGHTS must name the folder of the weights")
        presets, by_mode = document.pop("presets", {}), document.pop("modes", {})
        faces = frozenset(document.pop("facePresets", ()))
        batch = int(document.pop("batch", DIFFUSION_BATCH))
        if batch < 1:
            raise ValueError("diffusion: batch must be at least 1")
        collect = int(document.pop("collectMs", cls.collect_ms))
        if not 0 <= collect <= MOST_COLLECT_MS:
            raise ValueError(f"diffusion: collectMs must be 0 to {MOST_COLLECT_MS}")
        options = Options.taken_from(document)
        models = {name: _model(one) for name, one in document.pop("models", {}).items()}
        budget = document.pop("vramBudgetGiB", None)
        base = recipe_with(Recipe(), document)
        recipes = {name: recipe_with(base, changes) for name, changes in presets.items()}
        if any("controlNet" in changes for changes in by_mode.values()):
            raise ValueError("diffusion: a ControlNet is for presets, not for modes")
        # A share of the schedule that suits a source drawn over suits nothing else.
        plain = replace(base, strength=None, controlnet=None)
        modes = {name: recipe_with(plain, changes) for name, changes in by_mode.items()}
        return cls(
            Path(folder), base, recipes, faces, batch, collect, options, models, budget, modes
        )


def _check(controlnet: ControlNet, family: Family, task: Task) -> None:
    if family.controlnet is None or family.ways[task].controlled is None:
        raise ValueError(f"diffusion: {family.name} has no ControlNet for {task}")
    controlnet.check_class(family.controlnet)


def _model(document: Mapping[str, Any]) -> Model:
    rest = dict(document)
    folder = rest.pop("weights", None)
    options = Options.taken_from(rest)
    if not folder or rest:
        raise ValueError(
            f"diffusion: a model is weights and options, not {', '.join(sorted(rest)) or 'neither'}"
        )
    return Model(Path(folder), options)


def recipe_with(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with members of a pool's settings. Raises ValueError for what is not known."""
    unknown = set(changes) - set(MEMBERS)
    if unknown:
        raise ValueError(f"diffusion: {', '.join(sorted(unknown))} is not known")
    values = {MEMBERS[name]: value for name, value in changes.items()}
    if values.get("controlnet") is not None:
        values["controlnet"] = ControlNet.read(values["controlnet"])
    if "loras" in values:
        values["loras"] = tuple(Lora.read(one) for one in values["loras"])
    return replace(recipe, **values)
