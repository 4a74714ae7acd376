"""How the `diffusion` model draws: the pool's settings, read from the environment once."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from imagerift_vision.diffusion_families.family import Defaults, Task
from imagerift_vision.diffusion_options import Lora, Options

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
}


@dataclass(frozen=True)
class Recipe:
    """What one picture is drawn with."""

    prompt: str = ""
    """Set behind the user's words."""
    negative_prompt: str = ""
    steps: int | None = None
    """Of the whole schedule; `strength` of them are taken. None: what the weights want."""
    strength: float = 0.55
    """How far the picture may leave its source, over 0 to 1."""
    guidance_scale: float | None = None
    """None: what the weights want."""
    edge: int = 1024
    """Long edge that the network draws at, in pixels."""
    task: Task | None = None
    """None: the first that the weights can do."""
    loras: tuple[Lora, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where nothing could be drawn so."""
        steps = 1 / self.strength if self.steps is None and self.strength > 0 else self.steps
        if not 0 < self.strength <= 1 or math.floor((steps or 0) * self.strength) < 1:
            raise ValueError("diffusion: steps x strength must give at least one step")
        if not 0 <= (self.guidance_scale or 0) <= 100 or self.edge < 64:
            raise ValueError("diffusion: guidanceScale or edge is out of range")
        if self.task is not None and self.task not in get_args(Task):
            raise ValueError(f"diffusion: {self.task} is no task: {', '.join(get_args(Task))}")

    def completed(self, defaults: Defaults) -> "Recipe":
        """The same recipe with the weights' own numbers where it names none.

        Raises ValueError where those steps and its strength give no step.
        """
        steps = defaults.steps if self.steps is None else self.steps
        scale = defaults.guidance if self.guidance_scale is None else self.guidance_scale
        return replace(self, steps=steps, guidance_scale=scale)

    def saying(self, prompt: str) -> "Recipe":
        """The same recipe with another prompt."""
        return replace(self, prompt=prompt)


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
    options: Options = field(default_factory=Options)
    """How the weights are held."""

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """All that may be drawn with."""
        return (self.base, *self.presets.values())

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
        presets = document.pop("presets", {})
        faces = frozenset(document.pop("facePresets", ()))
        batch = int(document.pop("batch", 4))
        if batch < 1:
            raise ValueError("diffusion: batch must be at least 1")
        options = Options.taken_from(document)
        base = _with(Recipe(), document)
        recipes = {name: _with(base, changes) for name, changes in presets.items()}
        return cls(Path(folder), base, recipes, faces, batch, options)


def _with(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    unknown = set(changes) - set(MEMBERS)
    if unknown:
        raise ValueError(f"diffusion: {', '.join(sorted(unknown))} is not known")
    values = {MEMBERS[name]: value for name, value in changes.items()}
    if "loras" in values:
        values["loras"] = tuple(Lora.read(one) for one in values["loras"])
    return replace(recipe, **values)
