"""The JSON documents that are sent to models and answered by them: the wire's contract.

`contract/` holds their schemas, written from here, and examples on which both sides are tested.
Whoever reads a document passes over members that it does not know.
"""

from __future__ import annotations

from typing import Annotated, get_args

from imagerift_contract.values import (
    DEFAULT_EXPORT_SIZE,
    DEFAULT_ON_UNCLEAR_SUBJECT,
    DEFAULT_OUTPUT_ASPECT,
    DEFAULT_OUTPUT_FORMAT,
    MAX_KEPT_DIFFERENCE,
    MAX_OUTPUTS,
    MAX_PICTURES,
    MAX_PROMPT_CHARACTERS,
    MAX_REFERENCES,
    MAX_SEED,
    MAX_VARIATIONS,
    ErrorCode,
    ExportSize,
    OnUnclearSubject,
    OutputAspect,
    OutputFormat,
    ProgressStage,
)
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
)
from pydantic.alias_generators import to_camel

from imagerift_core.cutouts import CutoutOptions
from imagerift_core.jobs import Analysis, ModelVersion, OmittedOutput

Index = Annotated[int, Field(ge=0, lt=MAX_PICTURES)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
# Read as any text: an unknown code becomes `model_error`, and the rest of the answer stays.
Code = Annotated[str, WithJsonSchema({"type": "string", "enum": list(get_args(ErrorCode))})]
AttemptId = Annotated[str, Field(description="Name of the attempt, by which it is canceled.")]
Deadline = Annotated[
    float,
    Field(
        allow_inf_nan=False,
        description="When it must have ended, in Unix seconds of the model server's own clock.",
    ),
]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
# Read as any text, as Code is: a word of a newer model's is shown as it stands.
ToldStage = Annotated[
    str,
    Field(max_length=32),
    WithJsonSchema({"type": "string", "enum": list(get_args(ProgressStage))}),
]
Prompt = Annotated[
    str, Field(max_length=MAX_PROMPT_CHARACTERS, description="What to make; never to be logged.")
]


class _Document(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True
    )


class RequestedSource(_Document):
    url: str = Field(description="Presigned GET of the source picture.")


class RequestedMask(_Document):
    url: str = Field(description="Presigned GET of the caller's own matte: white is the subject.")


class RequestedReference(_Document):
    url: str = Field(description="Presigned GET of another picture that is looked at.")


class Target(_Document):
    index: Index
    url: str = Field(description="Presigned PUT of the output.")
    content_type: str = Field(description="The type that the PUT is signed for.")
    thumbnail_url: str | None = Field(
        None, description="Presigned PUT of its thumbnail; null where none is wanted."
    )


class WantedOutput(_Document):
    """One shape of each variation."""

    aspect: OutputAspect = DEFAULT_OUTPUT_ASPECT
    size: ExportSize = DEFAULT_EXPORT_SIZE
    format: OutputFormat = DEFAULT_OUTPUT_FORMAT


NegativePrompt = Annotated[
    str, Field(max_length=MAX_PROMPT_CHARACTERS, description="What is not to be seen.")
]
_KEEP_SUBJECT = "False: a scene's subject is lit with it, and its pixels are not its own."


class GenerateRequest(_Document):
    """REQUEST: one attempt at one job, sent to the entry model `generate`."""

    attempt_id: AttemptId
    seconds_left: float = Field(
        ge=0,
        allow_inf_nan=False,
        description="How long it may take, from when it is read: clocks need not agree.",
    )
    wait_seconds: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="How long it may wait, beside that, for a model that works for others.",
    )
    source: RequestedSource
    mask: RequestedMask | None = Field(
        None, description="Null: the matte is the source's own alpha, or estimated."
    )
    references: list[RequestedReference] = Field(
        default_factory=list,
        max_length=MAX_REFERENCES,
        description="Pictures beside the source, in the prompt's order.",
    )
    mode: str
    preset: str | None = Field(None, description="Null: chosen by the prompt.")
    prompt: Prompt = ""
    seed: Seed = Field(description="Variation i has seed + i, modulo 2^32.")
    variations: int = Field(ge=1, le=MAX_VARIATIONS)
    export_size: ExportSize = DEFAULT_EXPORT_SIZE
    output_aspect: OutputAspect = DEFAULT_OUTPUT_ASPECT
    output_format: OutputFormat = DEFAULT_OUTPUT_FORMAT
    on_unclear_subject: OnUnclearSubject = DEFAULT_ON_UNCLEAR_SUBJECT
    cutout: CutoutOptions | None = Field(None, description="What a cut-out is to look like.")
    negative_prompt: NegativePrompt = ""
    keep_subject: bool | None = Field(None, description=_KEEP_SUBJECT)
    outputs: list[WantedOutput] | None = Field(
        None,
        min_length=1,
        max_length=MAX_OUTPUTS,
        description="Shapes to make each variation in; null: the one of exportSize, outputAspect "
        "and outputFormat.",
    )
    gate: str | None = Field(
        None,
        description="The safety gate that must judge the job: a server that has another one, or "
        "none, fails it. Null: the server's own, if it has one.",
    )
    targets: list[Target] = Field(
        min_length=1,
        max_length=MAX_PICTURES,
        description="Each picture once: that of variation i in output k of n has index i * n + k.",
    )


class DeliveredOutput(_Document):
    """A picture that was uploaded."""

    index: int
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    thumbnail: bool = Field(False, description="Whether its thumbnail was uploaded too.")


class ModelProblem(_Document):
    """Why nothing was delivered."""

    code: Code
    message: str = Field(description="Shown to people: no URL, no signature, no prompt.")
    retryable: bool = False


class Omitted(OmittedOutput):
    """A picture that failed alone."""

    code: Code


class ToldAnalysis(Analysis):
    """What a model says of its choices; one that breaks the contract is dropped alone."""

    model_config = ConfigDict(alias_generator=to_camel)


class _Answer(_Document):
    preset: str | None = Field(None, description="The preset that was used.")
    models: list[ModelVersion] = Field(
        default_factory=list, description="Models and algorithms that had a hand in it."
    )
    omitted: list[Omitted] = Field(default_factory=list)
    error: ModelProblem | None = Field(None, description="Then nothing counts as delivered.")
    analysis: ToldAnalysis | None = None

    @field_validator("analysis", mode="wrap")
    @classmethod
    def _sound_or_none(cls, told: object, read: ValidatorFunctionWrapHandler) -> object:
        """None for an analysis that breaks the contract: no picture is lost for it."""
        try:
            return read(told)
        except ValidationError:
            return None


class ModelAnswer(_Answer):
    """RESULT: the answer of the entry model `generate`."""

    outputs: list[DeliveredOutput] = Field(default_factory=list)
    metrics: dict[str, float] = Field(
        default_factory=dict, description="Milliseconds spent in each stage."
    )


class ModeParameters(_Document):
    """PARAMETERS: what `generate` asks of a mode's model, beside the tensor IMAGE."""

    attempt_id: AttemptId
    deadline: Deadline
    seconds_left: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="How long it was to the deadline when the call was made: what it has waited "
        "since may be added to the deadline, up to waitSeconds.",
    )
    wait_seconds: float = Field(0.0, ge=0, allow_inf_nan=False)
    prompt: Prompt
    preset: str | None
    seeds: list[Seed] = Field(
        min_length=1, max_length=MAX_VARIATIONS, description="One picture each, in this order."
    )
    width: int = Field(ge=1, le=4096, description="Of every picture, in pixels.")
    height: int = Field(ge=1, le=4096)
    on_unclear_subject: OnUnclearSubject = DEFAULT_ON_UNCLEAR_SUBJECT
    cutout: CutoutOptions | None = Field(
        None, description="What a cut-out is to look like; the preset fills in what is left out."
    )
    masked: bool = Field(False, description="Whether IMAGE's alpha is the caller's own matte.")
    mode: str | None = Field(
        None, description="The job's, since one model may be behind several modes."
    )
    negative_prompt: NegativePrompt = ""
    keep_subject: bool = Field(True, description=_KEEP_SUBJECT)


class SubjectProof(_Document):
    """That a picture shows its subject's own pixels: how it compares with the source."""

    difference: float = Field(
        ge=0,
        allow_inf_nan=False,
        description="The largest of any channel of any pixel inside the matte's edge, in steps of "
        f"1/255; from {MAX_KEPT_DIFFERENCE:g} on the picture is not delivered.",
    )
    share: float = Field(
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="How much of the subject was compared; a picture of 0 is not delivered.",
    )


class ControlCommand(_Document):
    """COMMAND: what the model `control` is asked; each member may be left out."""

    cancel: str | None = Field(None, description="Name of an attempt, which is to stop.")
    progress: list[str] = Field(
        default_factory=list,
        description="Names of attempts of which is asked how far they are.",
    )


class AttemptProgress(_Document):
    """How far an attempt is. Members are left out of which its models tell nothing."""

    stage: ToldStage = Field(description="What it is at.")
    variation: Count = Field(0, description="The first of those that are made now, from 0 on.")
    pictures: Count | None = Field(None, description="Of the whole attempt.")
    drawn: Count = Field(0, description="Pictures that are drawn.")
    finished: Count = Field(0, description="Pictures that are uploaded or left out.")
    shown: list[Index] = Field(
        default_factory=list,
        max_length=MAX_PICTURES,
        description="Those of which a thumbnail is uploaded too.",
    )
    together: Count = Field(1, description="Pictures that are drawn at once.")
    step: Count | None = Field(None, description="Steps done of those that are drawn now.")
    steps: Count | None = Field(None, description="Steps in all of those that are drawn now.")
    step_seconds: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Mean time of a step of theirs."
    )


class ControlAnswer(_Document):
    """RESULT of the model `control`."""

    flagged: bool = Field(False, description="Whether an attempt was flagged.")
    progress: dict[str, AttemptProgress] = Field(
        default_factory=dict, description="By name, of those attempts that run on this server."
    )
    slots: dict[str, int] = Field(
        default_factory=dict, description="How many attempts each entry model takes at once."
    )


class ModeInfo(_Answer):
    """INFO: what a mode's model answers, beside the tensor IMAGES.

    `omitted` names seeds by their position in `seeds`.
    """

    proofs: list[SubjectProof | None] = Field(
        default_factory=list,
        description="Of each picture of IMAGES, or none at all: that its subject was kept.",
    )
    waited_seconds: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="How long the call waited while the model worked for others; what was added "
        "to the deadline.",
    )
