"""Modes are data: which model a mode calls, what it needs and what it can make."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

from imagerift_contract.values import MAX_VARIATIONS, ExportSize
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel


class Mode(BaseModel):
    """One way to make a picture.

    `model` is the entry model in Triton; `attempt_seconds` bounds one attempt, so that a
    stuck model server gives its slot back. A prompt that holds one of `refused_words` is refused.
    `takes_cutout` says that it makes cut-outs, and takes their options.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    model: str
    prompt_required: bool
    preset_required: bool
    presets: list[str]
    export_sizes: list[ExportSize]
    max_variations: int = Field(ge=1, le=MAX_VARIATIONS)
    attempt_seconds: int = Field(ge=1, le=3600)
    takes_cutout: bool = False
    refused_words: list[Annotated[str, Field(pattern=r"\S")]] = []


Modes = dict[str, Mode]


def load_modes(path: Path | None = None) -> Modes:
    """The modes by name, from `path` or from the file shipped with the package.

    Raises pydantic's `ValidationError`, naming mode and field, where the file is wrong.
    """
    text = (
        path.read_text()
        if path
        else resources.files("imagerift_core").joinpath("data/modes.json").read_text()
    )
    return TypeAdapter(Modes).validate_json(text)
