"""What clients may send about jobs, and what they are answered."""

from __future__ import annotations

import re
from itertools import chain
from typing import Annotated, Any, Literal
from uuid import UUID

from imagerift_contract.cutouts import CutoutAlign, CutoutShadow
from imagerift_contract.values import (
    DEFAULT_EXPORT_SIZE,
    DEFAULT_ON_UNCLEAR_SUBJECT,
    DEFAULT_OUTPUT_ASPECT,
    DEFAULT_OUTPUT_FORMAT,
    MAX_OUTPUTS,
    MAX_PROMPT_CHARACTERS,
    MAX_REFERENCES,
    MAX_SEED,
    MAX_VARIATIONS,
    ExportSize,
    JobErrorCode,
    OnUnclearSubject,
    OutputAspect,
    OutputFormat,
)
from imagerift_core.cutouts import CutoutOptions
from imagerift_core.errors import InvalidRequest, JobNotFound
from imagerift_core.generation import GenerationSpec, ModeName, PresetName, random_seed
from imagerift_core.ids import is_job_id
from imagerift_core.jobs import Status
from imagerift_core.mongo.scheduler_snapshot import WaitingReason
from imagerift_core.plans import QuotaScope
from imagerift_core.requested_outputs import each_once
from imagerift_core.stored import SHOWN
from multidict import MultiMapping
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic.alias_generators import to_camel

from imagerift_api.http.bodies import GenerationId, RequestBody, Whole, present
from imagerift_api.http.requests import RequestQuery, once
from imagerift_api.http.shapes import AnswerBody, Time, Uuid
from imagerift_api.jobs.analysis_schemas import AnalysisObject
from imagerift_api.jobs.output_schemas import (
    OUTPUTS_ALONE,
    OutputBody,
    OutputObject,
    PartialOutputs,
    RequestedOutputObject,
    shape_faults,
)
from imagerift_api.jobs.progress_schemas import ProgressObject
from imagerift_api.jobs.source_names import (
    MASKS,
    SOURCES,
    STORED_SOURCES,
    one_at_most,
    source_faults,
)

MAX_KEY_CHARACTERS = 1024
MAX_METADATA_PAIRS = 16
DEFAULT_DEADLINE_SECONDS = 3600
_METADATA_FILTER = "metadata."
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
# In a query a plus sign stands for a space, unless it was escaped.
_UNESCAPED_OFFSET = re.compile(r"(?<=\d) (?=\d{2}:?\d{2}$)")

StatusName = Literal["queued", "processing", "succeeded", "failed", "canceled"]
# The store's names of fields cannot hold a null character.
MetadataKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
MetadataValue = Annotated[str, Field(max_length=512)]


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _DATE_AND_TIME.match(value):
        raise ValueError("Input should be a time such as 2026-11-22T12:00:00Z")
    date, time = value[:11], value[11:]
    return date + _UNESCAPED_OFFSET.sub("+", time)


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]


class CutoutBody(RequestBody, CutoutOptions):
    """What a cut-out is to look like; what is left out is the preset's to choose."""


class StoredSourceBody(RequestBody):
    """What to make from a picture that the workspace has already."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={"allOf": [*one_at_most(STORED_SOURCES), *OUTPUTS_ALONE]},
    )

    mode: ModeName
    preset: PresetName | None = None
    prompt: str = Field("", max_length=MAX_PROMPT_CHARACTERS)
    export_size: ExportSize = DEFAULT_EXPORT_SIZE
    output_aspect: OutputAspect = DEFAULT_OUTPUT_ASPECT
    output_format: OutputFormat = DEFAULT_OUTPUT_FORMAT
    outputs: Annotated[list[OutputBody], AfterValidator(each_once)] | None = Field(
        None,
        min_length=1,
        max_length=MAX_OUTPUTS,
        description="Shapes to make each variation in, each other than the rest, in place of "
        "`exportSize`, `outputAspect` and `outputFormat`. Each picture is a unit.",
    )
    variations: Whole = Field(1, ge=1, le=MAX_VARIATIONS)
    seed: Whole | None = Field(None, ge=0, le=MAX_SEED)
    image_key: str | None = Field(None, min_length=1, max_length=MAX_KEY_CHARACTERS)
    source_generation_id: GenerationId | None = Field(None, min_length=1, max_length=64)
    on_unclear_subject: OnUnclearSubject = Field(
        DEFAULT_ON_UNCLEAR_SUBJECT,
        description="Where the subject cannot be cut out well: `grade` the whole picture, or "
        "`fail`, uncharged, with `subject_unclear`. A `cutout` or `scene` has nothing to grade and "
        "fails for either word; with `cut` it is delivered all the same.",
    )
    cutout: CutoutBody | None = Field(
        None, description="Of mode `cutout` alone: what it is to look like."
    )
    negative_prompt: str = Field(
        "",
        max_length=MAX_PROMPT_CHARACTERS,
        description="Of modes that take it: what is not to be seen.",
    )
    keep_subject: bool | None = Field(
        None,
        description="Of mode `scene` alone: false for a subject that is lit and graded with the "
        "scene; else its own pixels are in the pictures, which is proven.",
    )
    mask_key: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        description="Your own matte, named as by `imageKey`: a picture of the source's "
        "proportions, opaque or white where the subject is.",
    )
    reference_keys: list[Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARACTERS)]] = (
        Field(
            default_factory=list,
            max_length=MAX_REFERENCES,
            description="More pictures that are looked at, named as by `imageKey`; how many, "
            "`maxReferences` of the mode says.",
        )
    )
    metadata: Annotated[dict[MetadataKey, MetadataValue], BeforeValidator(present)] = Field(
        default_factory=dict, max_length=MAX_METADATA_PAIRS
    )
    webhook_url: str | None = Field(
        None, min_length=1, max_length=2048, description="Where the job's end is told; https."
    )
    deadline_seconds: Whole = Field(DEFAULT_DEADLINE_SECONDS, ge=10, le=3600)

    @classmethod
    def faults_between_fields(cls, content: dict[str, Any]) -> list[dict[str, str]]:
        return shape_faults(content)

    def spec(self) -> GenerationSpec:
        """What to make, with a random seed where none was asked for."""
        spec = self.model_dump(include=set(GenerationSpec.model_fields) - {"seed"})
        return GenerationSpec(**spec, seed=random_seed() if self.seed is None else self.seed)


class GenerateBody(StoredSourceBody):
    """The body of a submit."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [*one_at_most(SOURCES), *one_at_most(MASKS), *OUTPUTS_ALONE]}
    )

    image_base64: str | None = None
    mask_base64: str | None = Field(None, description="Your own matte, as `maskKey`.")

    @classmethod
    def faults_between_fields(cls, content: dict[str, Any]) -> list[dict[str, str]]:
        faults = source_faults(content, SOURCES) + shape_faults(content)
        if all(content.get(name) is not None for name in MASKS):
            message = f"Send at most one of {' and '.join(MASKS)}; both came."
            faults += [{"param": name, "message": message} for name in MASKS]
        return faults


def _job_id(text: str) -> str:
    if not is_job_id(text):
        raise JobNotFound("There is no such job.")
    return text


class JobPath(BaseModel):
    """The path of a job. Any other id is simply not found."""

    model_config = ConfigDict(alias_generator=to_camel)

    job_id: Annotated[str, AfterValidator(_job_id)] = Field(
        description="The job's id.", json_schema_extra={"format": "uuid"}
    )


class ListQuery(RequestQuery):
    """The query of a job list."""

    status: list[Status] = Field(default_factory=list)
    mode: ModeName | None = None
    batch_id: UUID | None = None
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=MAX_METADATA_PAIRS,
        description="Jobs whose metadata has this value under KEY; may come for several keys.",
    )
    created_after: Moment | None = None
    created_before: Moment | None = None
    cursor: str | None = Field(None, max_length=64)
    limit: int = Field(20, ge=1, le=100)

    @classmethod
    def collect(cls, query: MultiMapping[str]) -> dict[str, Any]:
        """`status` may come several times, or with commas; `metadata.KEY` once for each key."""
        content: dict[str, Any] = {}
        metadata: dict[str, str] = {}
        # Each name once, however often it came.
        for name in dict.fromkeys(query):
            if name == "status":
                parts = [value.split(",") for value in query.getall(name)]
                content[name] = list(chain.from_iterable(parts))
            elif name.startswith(_METADATA_FILTER):
                metadata[name.removeprefix(_METADATA_FILTER)] = once(query, name)
            elif name == "metadata":
                once(query, name)
                raise InvalidRequest("Unknown filter.", param=name)
            else:
                content[name] = once(query, name)
        return content | ({"metadata": metadata} if metadata else {})


class QuotaObject(AnswerBody):
    """The job's part of the quota, as of its last change."""

    source: Literal["plan"]
    scope: Annotated[QuotaScope, SHOWN]
    remaining: Annotated[int, Field(ge=0, description="Limit minus what is charged.")]
    charged: bool
    remaining_after_queue: Annotated[int, Field(ge=0)]
    charged_on_success: bool
    reserved: Annotated[int, Field(ge=0, description="Units that this job holds in flight.")]
    units: Annotated[int, Field(ge=0, description="Units asked for or, once charged, delivered.")]


class RateLimitObject(AnswerBody):
    """Where the workspace stands in this minute."""

    remaining_this_minute: Annotated[int, Field(ge=0)]


class SourceObject(AnswerBody):
    """The job's own copy of its source, or of its mask."""

    image_key: str


class ModelObject(AnswerBody):
    """A model that took part."""

    name: str
    version: str


class QueueObject(AnswerBody):
    """Estimates of the wait; null where they are not known."""

    position: int | None
    eta_seconds: float | None
    reason: Annotated[WaitingReason, SHOWN] | None


class CutoutObject(AnswerBody):
    """What the cut-out was to look like; null is the preset's to choose."""

    background: str | None
    padding: float | None
    fill: float | None
    align: Annotated[CutoutAlign, SHOWN] | None
    shadow: Annotated[CutoutShadow, SHOWN] | None
    width: int | None
    height: int | None


class OmittedObject(AnswerBody):
    """A picture that was not delivered, and is not charged."""

    index: int
    code: str


class JobErrorObject(AnswerBody):
    """Why the job failed."""

    code: Annotated[JobErrorCode, SHOWN]
    message: str
    retryable: bool


class StagesObject(AnswerBody):
    """Where the execution's time went, in milliseconds; null where the model did not say."""

    fetch_ms: int | None
    decode_ms: int | None
    model_ms: int | None
    encode_ms: int | None
    upload_ms: int | None


class MetricsObject(AnswerBody):
    """How long the job took, in milliseconds."""

    queue_ms: int | None
    execution_ms: int | None
    total_ms: int | None
    stages: StagesObject


class UrlsObject(AnswerBody):
    """Paths of what can be done with the job."""

    itself: str = Field(alias="self")
    cancel: str
    events: str


class JobObject(AnswerBody):
    """A job: one shape in every answer and at every status."""

    job_id: Uuid
    status: Annotated[StatusName, SHOWN]
    status_url: str
    request_id: str
    quota: QuotaObject
    rate_limit: RateLimitObject
    batch_id: str | None
    mode: str
    preset: str | None
    prompt: str
    export_size: Annotated[ExportSize, SHOWN, Field(description="The first output's.")]
    output_aspect: Annotated[OutputAspect, SHOWN, Field(description="The first output's.")]
    output_format: Annotated[OutputFormat, SHOWN, Field(description="The first output's.")]
    requested_outputs: Annotated[
        list[RequestedOutputObject] | None,
        Field(description="What came as `outputs`; null where none were sent."),
    ]
    on_unclear_subject: Annotated[OnUnclearSubject, SHOWN]
    cutout: Annotated[CutoutObject | None, Field(description="Null where none was sent.")]
    negative_prompt: str
    keep_subject: bool
    variations: int
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    source: SourceObject
    mask: Annotated[SourceObject | None, Field(description="Null where none was sent.")]
    references: list[SourceObject]
    models: list[ModelObject]
    analysis: Annotated[AnalysisObject | None, Field(description="Null before success.")]
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    deadline_at: Time | None
    expires_at: Time | None
    queue: QueueObject
    progress: Annotated[
        ProgressObject | None,
        Field(description="Null but while it runs, and for the first seconds of that."),
    ]
    partial_outputs: PartialOutputs
    outputs: list[OutputObject]
    omitted: list[OmittedObject]
    download_url: Annotated[str | None, Field(description="The first output's.")]
    thumbnail_url: Annotated[str | None, Field(description="The first output's.")]
    error: JobErrorObject | None
    metrics: MetricsObject
    metadata: dict[str, str]
    cancel_reason: str | None
    urls: UrlsObject


class JobPageObject(AnswerBody):
    """A page of jobs, newest first, without URLs."""

    data: list[JobObject]
    next_cursor: Annotated[str | None, Field(description="The next page's cursor; null at the end")]
