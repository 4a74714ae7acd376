"""Modes are data: which model a mode calls, what it needs and what it can make."""

from __future__ import annotations

from importlib import resources
from math import ceil
from pathlib import Path
from typing import Annotated

from imagerift_contract.values import (
    MAX_OUTPUTS,
    MAX_PICTURES,
    MAX_REFERENCES,
    MAX_VARIATIONS,
    ExportSize,
)
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

MAX_ATTEMPT_SECONDS = 3600


class Mode(BaseModel):
    """One way to make a picture.

    `model` is the entry model in Triton; `attempt_seconds` bounds one attempt, so that a
    stuck model server gives its slot back. A prompt that holds one of `refused_words` is refused.
    `takes_cutout` says that it makes cut-outs, and takes their options. A job may want each
    variation in as many shapes as `max_outputs` says; 0 where the same seed is not the same picture
    in another shape. `needs_pool` says that it is offered only where a pool serves it;
    `keeps_subject` that it makes surroundings for a subject that stays, unless a job wants
    otherwise; `takes_negative_prompt` that it is told what is not to be seen; `takes_source` false
    that it looks at no picture: none may be sent. `max_references` is how many more pictures it may
    be shown, as far as a pool's model looks at them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    model: str
    prompt_required: bool
    preset_required: bool
    presets: list[str]
    export_sizes: list[ExportSize]
    max_variations: int = Field(ge=1, le=MAX_VARIATIONS)
    attempt_seconds: int = Field(ge=1, le=MAX_ATTEMPT_SECONDS)
    takes_cutout: bool = False
    max_outputs: int = Field(0, ge=0, le=MAX_OUTPUTS)
    takes_source: bool = True
    needs_pool: bool = False
    max_references: int = Field(0, ge=0, le=MAX_REFERENCES)
    keeps_subject: bool = False
    takes_negative_prompt: bool = False
    refused_words: list[Annotated[str, Field(pattern=r"\S")]] = []

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
