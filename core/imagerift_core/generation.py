"""What a job is asked to make, and whether a plan and the installed modes permit it."""

from __future__ import annotations

import secrets
from typing import Annotated

from imagerift_contract.values import (
    DEFAULT_EXPORT_SIZE,
    DEFAULT_ON_UNCLEAR_SUBJECT,
    DEFAULT_OUTPUT_ASPECT,
    DEFAULT_OUTPUT_FORMAT,
    MAX_PICTURES,
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
from imagerift_core.requested_outputs import RequestedOutput, RequestedOutputs, largest_size
from imagerift_core.stored import KEPT

MODE_NAME = r"^[a-z][a-z0-9-]*$"
MAX_MODE_NAME = 32
ModeName = Annotated[str, Field(pattern=MODE_NAME, max_length=MAX_MODE_NAME)]
PresetName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$", max_length=64)]


class GenerationSpec(BaseModel):
    """What a job is to make, the same in a request, a record and a resource.

    Variation `i` uses seed `(seed + i) mod 2^32`. With `outputs` each variation is made in every
    one of them: the picture of variation `i` in output `k` of `n` has the index `i * n + k`.
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
        "picture, or fail. A cutout or scene fails for either word; cut delivers it all the same.",
    )
    cutout: CutoutOptions | None = Field(None, description="What a cutout is to look like.")
    negative_prompt: str = Field(
        "",
        max_length=MAX_PROMPT_CHARACTERS,
        description="What is not to be seen, of modes that take it.",
    )
    keep_subject: bool | None = Field(
        None,
        description="Of a scene: false for a subject that is lit and graded with it; else its own "
        "pixels are in it.",
    )
    variations: int = Field(
        1,
        ge=1,
        le=MAX_VARIATIONS,
        description="Variations to make, each of one picture or of one an entry of outputs; each "
        "picture that is delivered costs one unit.",
    )
    seed: int = Field(
        0, ge=0, le=MAX_SEED, description="Seed of the first variation; each further one adds 1."
    )
    outputs: RequestedOutputs | None = Field(
        None,
        description="Shapes to make each variation in, in place of exportSize, outputAspect and "
        "outputFormat.",
    )

    @property
    def shapes(self) -> list[RequestedOutput]:
        """The shapes that each variation is made in: one, where no outputs are asked for."""
        if self.outputs is not None:
            return self.outputs
        # What another version has stored is kept, whatever its words.
        one = RequestedOutput.model_construct(
            aspect=self.output_aspect, size=self.export_size, format=self.output_format
        )
        return [one]

    @property
    def pictures(self) -> int:
        """How many pictures the job is to make: its units."""
        return self.variations * len(self.shapes)

    @property
    def largest_size(self) -> ExportSize:
        """The size that whoever makes the job has to serve."""
        return largest_size([shape.size for shape in self.shapes])

    def shape_of(self, index: int) -> RequestedOutput:
        """The shape of the picture of that index."""
        shapes = self.shapes
        return shapes[index % len(shapes)]

    def variation_of(self, index: int) -> int:
        """The variation that the picture of that index shows."""
        return index // len(self.shapes)

    @property
    def schema_version(self) -> int:
        """The oldest version of records that may run it; see docs/compatibility.md."""
        if self.negative_prompt or self.keep_subject is False:
            return 4
        if self.outputs is not None:
            return 3
        newer = self.cutout is not None or self.on_unclear_subject == "cut"
        return 2 if newer or self.output_format == "avif" else 1

    def seed_of(self, index: int) -> int:
        """The seed of the picture of that index."""
        return (self.seed + self.variation_of(index)) % SEED_SPACE


def schema_version_of(spec: GenerationSpec, *, references: bool) -> int:
    """The oldest version of records that may run a job of that spec, and with references."""
    return max(4, spec.schema_version) if references else spec.schema_version


def check_references(count: int, mode: str, most: int, *, param: str = "references") -> None:
    """Raises `InvalidRequest` for more pictures beside the source than may be sent."""
    if count > most:
        told = f"at most {most}" if most else "left out"
        raise InvalidRequest(f"{param} must be {told} for mode '{mode}'.", param=param)


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
    if spec.negative_prompt and not mode.takes_negative_prompt:
        raise InvalidRequest(
            f"negativePrompt is no option of mode '{spec.mode}'.", param="negativePrompt"
        )
    if contains_refused_words(spec.prompt, mode.refused_words):
        raise ContentRejected("This installation refuses what the prompt asks for.", param="prompt")
    if spec.preset is None and mode.preset_required:
        offered = ", ".join(mode.presets)
        raise InvalidRequest(f"preset is required: one of {offered}.", param="preset")
    if spec.preset is not None and spec.preset not in mode.presets:
        offered = ", ".join(mode.presets)
        raise InvalidRequest(f"preset must be one of: {offered}.", param="preset")
    if spec.outputs is not None:
        _check_outputs(spec, mode, plan)
    _check_subject(spec, mode)
    if spec.variations > mode.max_variations:
        raise InvalidRequest(
            f"variations must be at most {mode.max_variations} for mode '{spec.mode}'.",
            param="variations",
        )
    for index, shape in enumerate(spec.shapes):
        name = "exportSize" if spec.outputs is None else f"outputs.{index}.size"
        if not plan.permits_export(shape.size):
            raise ExportNotPermitted(
                f"{name} '{shape.size}' is above this plan's '{plan.max_export}'.", param=name
            )
        if shape.size not in mode.export_sizes:
            offered = ", ".join(mode.export_sizes)
            raise InvalidRequest(
                f"{name} must be one of: {offered} for mode '{spec.mode}'.", param=name
            )
    return mode


def _check_outputs(spec: GenerationSpec, mode: Mode, plan: Plan) -> None:
    shapes = spec.shapes
    if mode.max_outputs == 0:
        raise InvalidRequest(f"outputs is no option of mode '{spec.mode}'.", param="outputs")
    if len(shapes) > mode.max_outputs:
        raise InvalidRequest(
            f"outputs must be at most {mode.max_outputs} for mode '{spec.mode}'.", param="outputs"
        )
    for name, value, default in (
        ("exportSize", spec.export_size, DEFAULT_EXPORT_SIZE),
        ("outputAspect", spec.output_aspect, DEFAULT_OUTPUT_ASPECT),
        ("outputFormat", spec.output_format, DEFAULT_OUTPUT_FORMAT),
    ):
        if value != default:
            raise InvalidRequest(f"{name} must be left out where outputs are given.", param=name)
    most_pictures = min(MAX_PICTURES, plan.queue_units or MAX_PICTURES)
    if spec.pictures > most_pictures:
        raise InvalidRequest(
            f"{spec.variations} variations in {len(shapes)} outputs are {spec.pictures} pictures; "
            f"a job makes at most {most_pictures}.",
            param="outputs",
        )


def _check_subject(spec: GenerationSpec, mode: Mode) -> None:
    if spec.keep_subject is False and not mode.keeps_subject:
        raise InvalidRequest(
            f"keepSubject is no option of mode '{spec.mode}'.", param="keepSubject"
        )
    if mode.takes_cutout:
        for index, shape in enumerate(spec.shapes):
            at = None if spec.outputs is None else f"outputs.{index}"
            check_cutout(spec.cutout, spec.preset, shape, at=at)
        return
    if spec.cutout is not None:
        raise InvalidRequest(f"cutout is no option of mode '{spec.mode}'.", param="cutout")
    if spec.on_unclear_subject == "cut" and not mode.keeps_subject:
        raise InvalidRequest(
            f"onUnclearSubject must be grade or fail for mode '{spec.mode}'.",
            param="onUnclearSubject",
        )
