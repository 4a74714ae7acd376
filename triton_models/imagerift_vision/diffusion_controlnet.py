"""ControlNets (Zhang et al. 2023): weights that hold a drawing to what its source shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

Look = Literal["canny", "tile"]
"""`canny`: the source's edges, white on black; `tile`: the source itself."""
# What the published ones were trained with (OpenCV's thresholds, of 8-bit pixels).
CANNY = (100, 200)
MOST_SCALE = 2.0


@dataclass(frozen=True)
class ControlNet:
    """One that a preset draws with."""

    weights: Path
    """Folder of diffusers: a `config.json` beside its safetensors."""
    look: Look = "canny"
    scale: float = 1.0
    """How closely it holds, from 0 on."""

    @classmethod
    def read(cls, document: Any) -> "ControlNet":
        """Read `{weights, look, scale}`. Raises ValueError when it is something else."""
        if not isinstance(document, Mapping) or not {"weights"} <= set(document) <= {
            "weights",
            "look",
            "scale",
        }:
            raise ValueError("diffusion: a ControlNet is {weights, look, scale}")
        look, scale = document.get("look", cls.look), float(document.get("scale", cls.scale))
        if look not in get_args(Look):
            raise ValueError(f"diffusion: look {look} is none of {', '.join(get_args(Look))}")
        if not 0 <= scale <= MOST_SCALE:
            raise ValueError(f"diffusion: a ControlNet's scale is 0 to {MOST_SCALE:g}")
        return cls(Path(document["weights"]), look, scale)

    def check_class(self, wanted: str) -> None:
        """Look whether the folder is of the class in diffusers.

        Raises FileNotFoundError where it holds no `config.json`, ValueError where it is another's.
        """
        config = self.weights / "config.json"
        if not config.is_file():
            raise FileNotFoundError(f"{self.weights} holds no config.json")
        named = json.loads(config.read_text()).get("_class_name")
        if named != wanted:
            raise ValueError(
                f"diffusion: {self.weights} is of {named}, these weights want {wanted}"
            )

    def sees(self, picture: Pixels, mask: Pixels | None = None) -> Pixels:
        """What it is shown of [h, w, 3]; nothing where a mask, [h, w], has all drawn anew (255)."""
        seen = picture
        if self.look == "canny":
            edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), *CANNY)
            seen = np.repeat(np.asarray(edges, np.uint8)[..., None], 3, axis=2)
        return seen if mask is None else np.where(mask[..., None] > 0, np.uint8(0), seen)
