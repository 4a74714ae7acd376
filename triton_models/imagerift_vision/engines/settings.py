"""Which engine the `remote` model calls, and how it is asked: read from the environment once."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from yarl import URL

from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_settings import Model, Recipe, recipe_with
from imagerift_vision.engines.workflow import Workflow

EngineKind = Literal["openai-images", "comfyui"]
PREFIX = "IMAGERIFT_ENGINE"
# By variable: the member of the settings that it takes the place of.
VARIABLES = {
    f"{PREFIX}_KIND": "kind",
    f"{PREFIX}_ORIGIN": "origin",
    f"{PREFIX}_MODEL": "model",
    f"{PREFIX}_WORKFLOW": "workflow",
    f"{PREFIX}_CREDENTIAL_FILE": "credentialFile",
}
# What SGLang and vLLM-Omni call what is sent; None: not sent, since no standard has it.
FIELDS: Mapping[str, str | None] = MappingProxyType(
    {
        "n": "n",
        "size": "size",
        "responseFormat": "response_format",
        "outputFormat": "output_format",
        "seed": "seed",
        "steps": "num_inference_steps",
        "guidanceScale": "guidance_scale",
        "negativePrompt": "negative_prompt",
        "strength": None,
        "mask": None,
    }
)
# What the client sends itself: no further parameter may take its place.
OWN_PARAMETERS = frozenset({"prompt", "model", "image"})
MOST_AT_ONCE = 8


@dataclass(frozen=True)
class EngineSettings:
    """Settings of one pool's engine."""

    kind: EngineKind
    origin: URL
    """Scheme, host and port: all that is ever called."""
    base: Recipe
    presets: Mapping[str, Recipe]
    face_presets: frozenset[str] = frozenset()
    batch: int = 1
    """Pictures asked for at once; each is a call of its own."""
    model: str | None = None
    credential: Path | None = None
    """File with the token; read anew at each call."""
    workflow: Workflow | None = None
    modes: Mapping[str, Recipe] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    """None: `model` names the one that the engine has."""
    sizes: tuple[tuple[int, int], ...] = ()
    """Width and height that the engine can draw; empty: any."""
    fields: Mapping[str, str | None] = field(default_factory=lambda: FIELDS)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Sent along as they are."""

    def __post_init__(self) -> None:
        """Raises ValueError where the engine cannot do what is wanted."""
        for recipe in (self.base, *self.presets.values()):
            if recipe.loras:
                raise ValueError("engine: LoRAs are the engine's own to load")
            if recipe.controlnet is not None:
                raise ValueError("engine: ControlNets are the engine's own to load")
            if recipe.task is not None and recipe.task not in self.tasks:
                raise ValueError(
                    f"engine: {self.kind} has no {recipe.task} here: {', '.join(self.tasks)}"
                )

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What can be asked of it, the default first."""
        if self.workflow is not None:
            return _tasks_of(self.workflow)
        return ("edit", "inpaint", "generate") if self.fields["mask"] else ("edit", "generate")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "EngineSettings":
        """Read IMAGERIFT_ENGINE (JSON), and the variables that win over its members, also empty.

        Raises OSError where the workflow cannot be read, ValueError when anything is wrong.
        """
        document = json.loads(environment.get(PREFIX) or "{}")
        if not isinstance(document, dict):
            raise ValueError(f"{PREFIX} must be an object")  # noqa: TRY004
        for variable, member in VARIABLES.items():
            if variable in environment:
                document[member] = environment[variable]
        kind = document.pop("kind", None)
        if kind not in get_args(EngineKind):
            raise ValueError(f"engine: kind must be one of {', '.join(get_args(EngineKind))}")
        workflow, credential = (document.pop(name, None) for name in ("workflow", "credentialFile"))
        if (kind == "comfyui") != bool(workflow):
            raise ValueError("engine: comfyui needs a workflow, and openai-images takes none")
        batch = document.pop("batch", 1)
        if not isinstance(batch, int) or not 1 <= batch <= MOST_AT_ONCE:
            raise ValueError(f"engine: batch must be a whole number, 1 to {MOST_AT_ONCE}")
        own = {
            "origin": _origin(document.pop("origin", None)),
            "model": document.pop("model", None),
            "face_presets": frozenset(document.pop("facePresets", ())),
            "sizes": tuple(_size(size) for size in document.pop("sizes", ())),
            "fields": _fields(document.pop("fields", {})),
            "parameters": _parameters(document.pop("parameters", {})),
        }
        presets = document.pop("presets", {})
        base = recipe_with(Recipe(), document)
        return cls(
            kind=kind,
            base=base,
            presets={name: recipe_with(base, changes) for name, changes in presets.items()},
            batch=batch,
            credential=Path(credential) if credential else None,
            workflow=Workflow.read(Path(workflow)) if workflow else None,
            **own,
        )


def _tasks_of(workflow: Workflow) -> tuple[Task, ...]:
    if "mask" in workflow.inputs:
        return ("inpaint",)
    return ("edit", "img2img") if "image" in workflow.inputs else ("generate",)


def _origin(given: Any) -> URL:
    try:
        url = URL(given)
        origin = url.origin()
    except (TypeError, ValueError):
        raise ValueError("engine: origin must look like https://host:port") from None
    more = url.user or url.password or url.query_string or url.fragment
    if url.scheme not in ("http", "https") or more or url.path not in ("", "/"):
        raise ValueError("engine: origin must look like https://host:port, and nothing more")
    return origin


def _size(given: Any) -> tuple[int, int]:
    wide, _, high = str(given).partition("x")
    if not (wide.isdecimal() and high.isdecimal() and min(int(wide), int(high)) >= 64):
        raise ValueError(f"engine: sizes: {given} is no WIDTHxHEIGHT of 64 or more")
    return int(wide), int(high)


def _fields(given: Mapping[str, str | None]) -> Mapping[str, str | None]:
    unknown = set(given) - set(FIELDS)
    if unknown:
        raise ValueError(
            f"engine: fields: {', '.join(sorted(unknown))} is none of {', '.join(sorted(FIELDS))}"
        )
    return {**FIELDS, **given}


def _parameters(given: Mapping[str, Any]) -> Mapping[str, Any]:
    taken = OWN_PARAMETERS & set(given)
    if taken or not all(isinstance(value, str | int | float | bool) for value in given.values()):
        raise ValueError(
            "engine: parameters are texts, numbers and truth values, and none of "
            f"{', '.join(sorted(OWN_PARAMETERS))}"
        )
    return dict(given)
