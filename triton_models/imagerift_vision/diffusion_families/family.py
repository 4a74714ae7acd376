"""What a family of weights is: how its pictures go in, how it is guided, what it is drawn with."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Task = Literal["generate", "edit", "img2img", "inpaint"]
TASKS: tuple[Task, ...] = ("img2img", "edit", "inpaint", "generate")
"""In the order in which a pool's model takes them where its settings name none."""

Picture = Literal["none", "init", "references"]


@dataclass(frozen=True)
class Way:
    """How a family does one task."""

    pipeline: str
    """The class in diffusers."""
    picture: Picture = "none"
    """`init`: noise is laid over it; `references`: looked at, and not drawn over."""
    masked: bool = False
    strength: bool = False
    """Whether a share of the schedule is taken."""
    sized: bool = True
    """Whether it is told a size; one that is not draws at its picture's, or at one of its own."""
    repeated: bool = False
    """Whether prompt and picture are given once a seed; where not, once, for all seeds."""
    most: int = 1
    """Pictures that it looks at, as references."""
    least_side: int = 1
    """Pixels that a reference has to have a side."""
    longest: float = math.inf
    """How many times as long as its other side a reference's may be."""
    further: Callable[[int, int], Mapping[str, Any]] | None = None
    """More arguments, by width and height."""
    controlled: str | None = None
    """The class that looks at what a ControlNet sees as well; None: diffusers has none."""
    sees: Literal["image", "control_image"] = "control_image"
    """The argument that takes what the ControlNet sees."""


@dataclass(frozen=True)
class Defaults:
    """What a picture is drawn with where the settings say nothing."""

    steps: int
    guidance: float


@dataclass(frozen=True)
class Family:
    """One family."""

    name: str
    ways: Mapping[Task, Way]
    precision: Literal["float16", "bfloat16"]
    """On a GPU; on the CPU all draw in float32."""
    defaults: Defaults
    licence: str
    """Of the weights that are known under this name: a note, never the licence itself."""
    guidance: Literal["guidance_scale", "true_cfg_scale"] = "guidance_scale"
    """The argument that says how closely the prompt is followed."""
    negative: bool = True
    """Whether it takes a negative prompt."""
    controlnet: str | None = None
    """The class in diffusers of the ControlNets that are made for it."""
    denoiser: Literal["unet", "transformer"] = "transformer"
    heavy: tuple[str, ...] = ("transformer", "text_encoder")
    """The parts that are worth holding in fewer bits."""
    distilled: Defaults | None = None
    """In place of `defaults` where the folder says that its weights need few steps."""
    is_distilled: Callable[["Folder"], bool] = field(default=lambda _folder: False)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What it can do, the one taken by default first."""
        return tuple(task for task in TASKS if task in self.ways)


@dataclass(frozen=True)
class Folder:
    """The small documents of a folder of weights."""

    index: Mapping[str, Any]
    """`model_index.json`."""
    denoiser: Mapping[str, Any]
    """`unet/config.json` or `transformer/config.json`; empty where there is none."""
    scheduler: Mapping[str, Any]
    """`scheduler/scheduler_config.json`, likewise."""
