"""Modes are data: which model a mode calls, what it needs and what it can make."""

from __future__ import annotations

from importlib import resources
from math import ceil
from pathlib import Path
from typing import Annotated, Self

from imagerift_contract.values import (
    MAX_OUTPUTS,
    MAX_PICTURES,
    MAX_REFERENCES,
    MAX_VARIATIONS,
    ExportSize,
)
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel

MAX_ATTEMPT_SECONDS = 3600


class Mode(BaseModel):
    """One way to make a picture."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    model: str = Field(description="The entry model in Triton that makes it.")
    prompt_required: bool = Field(description="Whether a job has to have a prompt.")
    preset_required: bool = Field(description="Whether a job has to name a preset.")
    presets: list[str] = Field(description="Presets that a job may name.")
    export_sizes: list[ExportSize] = Field(description="Sizes that it makes.")
    max_variations: int = Field(
        ge=1, le=MAX_VARIATIONS, description="Variations that one job may ask for."
    )
    attempt_seconds: int = Field(
        ge=1,
        le=MAX_ATTEMPT_SECONDS,
        description="Bounds one attempt, so that a stuck model server gives its slot back.",
    )
    takes_cutout: bool = Field(
        False, description="Whether it makes cut-outs, and takes their options."
    )
    max_outputs: int = Field(
        0,
        ge=0,
        le=MAX_OUTPUTS,
        description="Shapes that a job may want each variation in; 0 where the same seed is not "
        "the same picture in another shape.",
    )
    takes_source: bool = Field(
        True, description="Whether it looks at a picture; if not, none may be sent."
    )
    needs_pool: bool = Field(
        False, description="Whether it is offered only where a pool serves it."
    )
    max_references: int = Field(
        0,
        ge=0,
        le=MAX_REFERENCES,
        description="More pictures that it may be shown, as far as a pool's model looks at them.",
    )
    keeps_subject: bool = Field(
        False,
        description="Whether it makes surroundings for a subject that stays, unless a job wants "
        "otherwise.",
    )
    takes_negative_prompt: bool = Field(
        False, description="Whether it is told what is not to be seen."
    )
    refused_words: list[Annotated[str, Field(pattern=r"\S")]] = Field(
        [], description="A prompt that holds one of these is refused."
    )

    @model_validator(mode="after")
    def _presets_are_there(self) -> Self:
        if self.preset_required and not self.presets:
            raise ValueError("a mode whose jobs have to name a preset needs presets")
        return self

    @property
    def max_pictures(self) -> int:
        """How many pictures one job makes at most."""
        return min(MAX_PICTURES, self.max_variations * max(1, self.max_outputs))

    def seconds_for(self, pictures: int) -> int:
        """How long an attempt at so many pictures may take: `attempt_seconds` are for as many as
        the mode has variations."""
        return min(MAX_ATTEMPT_SECONDS, self.attempt_seconds * ceil(pictures / self.max_variations))


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
