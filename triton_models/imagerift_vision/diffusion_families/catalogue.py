"""Which family a folder of weights is of: its `model_index.json` says it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from imagerift_vision.diffusion_families.family import Defaults, Family, Folder
from imagerift_vision.diffusion_families.flux import FLUX, FLUX_FILL, FLUX_KONTEXT
from imagerift_vision.diffusion_families.flux2 import FLUX2, FLUX2_KLEIN
from imagerift_vision.diffusion_families.qwen_image import (
    QWEN_IMAGE,
    QWEN_IMAGE_EDIT,
    QWEN_IMAGE_EDIT_PLUS,
)
from imagerift_vision.diffusion_families.stable_diffusion import (
    STABLE_DIFFUSION,
    STABLE_DIFFUSION_XL,
)
from imagerift_vision.diffusion_families.z_image import Z_IMAGE

FAMILIES = (
    STABLE_DIFFUSION,
    STABLE_DIFFUSION_XL,
    FLUX,
    FLUX_FILL,
    FLUX_KONTEXT,
    FLUX2,
    FLUX2_KLEIN,
    QWEN_IMAGE,
    QWEN_IMAGE_EDIT,
    QWEN_IMAGE_EDIT_PLUS,
    Z_IMAGE,
)
BY_CLASS: Mapping[str, Family] = MappingProxyType(
    {way.pipeline: family for family in FAMILIES for way in family.ways.values()}
)
# A U-Net that also takes the mask and the masked picture: four channels of latents, four, and one.
MASKED_CHANNELS = 9


@dataclass(frozen=True)
class Weights:
    """A folder whose family is known."""

    path: Path
    family: Family
    defaults: Defaults


def weights_in(path: Path) -> Weights:
    """Read which family a folder is of.

    Raises FileNotFoundError when it holds no pipeline, ValueError when its family is not known.
    """
    if not (path / "model_index.json").is_file():
        raise FileNotFoundError(f"{path} holds no model_index.json")
    index = _document(path / "model_index.json")
    name = index.get("_class_name")
    family = BY_CLASS.get(str(name))
    if family is None:
        known = ", ".join(family.name for family in FAMILIES)
        raise ValueError(f"{path} is of {name}, which is of no known family: {known}")
    folder = Folder(
        index,
        _document(path / family.denoiser / "config.json"),
        _document(path / "scheduler" / "scheduler_config.json"),
    )
    if family.denoiser == "unet" and folder.denoiser.get("in_channels") == MASKED_CHANNELS:
        family = replace(family, ways={"inpaint": family.ways["inpaint"]})
    defaults = family.defaults
    if family.distilled is not None and family.is_distilled(folder):
        defaults = family.distilled
    return Weights(path, family, defaults)


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    document = json.loads(path.read_text())
    return document if isinstance(document, dict) else {}
