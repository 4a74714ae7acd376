"""What a job is asked to make, and whether a plan and the installed modes permit it."""

from __future__ import annotations

import secrets
from typing import Annotated

from imagerift_contract.values import (
    DEFAULT_EXPORT_SIZE,
    DEFAULT_ON_UNCLEAR_SUBJECT,
    DEFAULT_OUTPUT_ASPECT,
    DEFAULT_OUTPUT_FORMAT,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    MAX_VARIATIONS,
    SEED_SPACE,
    ExportSize,
    OnUnclearSubject,
    OutputAspect,
    OutputFormat,
)
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from imagerift_core.cutouts import CutoutOptions, check_cutout
from imagerift_core.errors import ContentRejected, ExportNotPermitted, InvalidRequest
from imagerift_core.modes import Mode, Modes
from imagerift_core.plans import Plan
from imagerift_core.refused_words import contains_refused_words, is_blank
from imagerift_core.stored import KEPT

ModeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=32)]
PresetName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$", max_length=64)]


class GenerationSpec(BaseModel):
    """What a job is to make, the same in a request, a record and a resource.

    Variation `i` uses seed `(seed + i) mod 2^32`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )

    mode: ModeName = Field(description="What is made of the source, such as style or avatar.")
    preset: PresetName | None = Field(
        None, description="One of the mode's looks; without it the mode chooses by the prompt."
    )
    prompt: str = Field(
        "", max_length=MAX_PROMPT_CHARACTERS, description="What to make, in the user's own words."
    )
    export_size: Annotated[ExportSize, KEPT] = Field(
        DEFAULT_EXPORT_SIZE, description="Size of the outputs; the plan says up to which."
    )
    output_aspect: Annotated[OutputAspect, KEPT] = Field(
        DEFAULT_OUTPUT_ASPECT,
        description="Width to height of the outputs; source keeps the source's own.",
    )
    output_format: Annotated[OutputFormat, KEPT] = Field(
        DEFAULT_OUTPUT_FORMAT, description="File format of the outputs."
    )
    on_unclear_subject: Annotated[OnUnclearSubject, KEPT] = Field(
        DEFAULT_ON_UNCLEAR_SUBJECT,
        description="What is done where the subject cannot be cut out well: grade the whole "
        "picture, or fail. A cutout fails for either word; cut delivers it all the same.",
    )
    cutout: CutoutOptions | None = Field(None, description="What a cutout is to look like.")
    variations: int = Field(
        1,
        ge=1,
        le=MAX_VARIATIONS,
        description="Outputs to make; each that is delivered costs one unit.",
    )
    seed: int = Field(
        0, ge=0, le=MAX_SEED, description="Seed of the first output; each further one adds 1."
    )

    @property
    def schema_version(self) -> int:
        """The oldest version of records that may run it; see docs/compatibility.md."""
        newer = self.cutout is not None or self.on_unclear_subject == "cut"
        return 2 if newer or self.output_format == "avif" else 1

    def seed_of(self, index: int) -> int:
        return (self.seed + index) % SEED_SPACE


def random_seed() -> int:
    return secrets.randbelow(SEED_SPACE)


def check_permitted(spec: GenerationSpec, modes: Modes, plan: Plan) -> Mode:
    """Returns the mode of `spec` where modes and plan permit all it asks.

    Raises `InvalidRequest`, `ContentRejected` (with `param`) or `ExportNotPermitted`.
    """
    mode = modes.get(spec.mode)
    if mode is None:
        offered = ", ".join(sorted(modes))
        raise InvalidRequest(f"mode must be one of: {offered}.", param="mode")
    if mode.prompt_required and is_blank(spec.prompt):
        raise InvalidRequest(f"prompt is required for mode '{spec.mode}'.", param="prompt")
    if contains_refused_words(spec.prompt, mode.refused_words):
        raise ContentRejected("This installation refuses what the prompt asks for.", param="prompt")
    if spec.preset is None and mode.preset_required:
        offered = ", ".join(mode.presets)
        raise InvalidRequest(f"preset is required: one of {offered}.", param="preset")
    if spec.preset is not None and spec.preset not in mode.presets:
        offered = ", ".join(mode.presets)
        raise InvalidRequest(f"preset must be one of: {offered}.", param="preset")
    _check_subject(spec, mode)
    if spec.variations > mode.max_variations:
        raise InvalidRequest(
            f"variations must be at most {mode.max_variations} for mode '{spec.mode}'.",
            param="variations",
        )
    if not plan.permits_export(spec.export_size):
        raise ExportNotPermitted(
            f"exportSize '{spec.export_size}' is above this plan's '{plan.max_export}'.",
            param="exportSize",
        )
    if spec.export_size not in mode.export_sizes:
        offered = ", ".join(mode.export_sizes)
        raise InvalidRequest(
            f"exportSize must be one of: {offered} for mode '{spec.mode}'.", param="exportSize"
        )
    return mode


def _check_subject(spec: GenerationSpec, mode: Mode) -> None:
    if mode.takes_cutout:
        check_cutout(
            spec.cutout,
            spec.preset,
            export_size=spec.export_size,
            aspect=spec.output_aspect,
            output_format=spec.output_format,
        )
        return
    if spec.cutout is not None:
        raise InvalidRequest(f"cutout is no option of mode '{spec.mode}'.", param="cutout")
    if spec.on_unclear_subject == "cut":
        raise InvalidRequest(
            f"onUnclearSubject must be grade or fail for mode '{spec.mode}'.",
            param="onUnclearSubject",
        )
