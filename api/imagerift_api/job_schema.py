"""The shapes of answers about jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from imagerift_contract.values import (
    MAX_SEED,
    ExportSize,
    Framing,
    IgnoredReason,
    JobErrorCode,
    OutputAspect,
    OutputFormat,
    PresetReason,
    ReadPart,
)
from imagerift_core.mongo.scheduler_snapshot import WaitingReason
from imagerift_core.plans import QuotaScope
from pydantic import Field

from imagerift_api.openapi.shapes import AnswerBody, Time, Uuid

StatusName = Literal["queued", "processing", "succeeded", "failed", "canceled"]


class QuotaObject(AnswerBody):
    """The job's part of the quota, as of its last change."""

    source: Literal["plan"]
    scope: QuotaScope
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
    """The job's own copy of its source."""

    image_key: str


class ModelObject(AnswerBody):
    """A model that took part."""

    name: str
    version: str


class PeopleObject(AnswerBody):
    """The faces in the source."""

    found: Annotated[int, Field(ge=0)]
    shown: Annotated[
        int, Field(ge=0, description="How many of them the picture shows, each whole.")
    ]
    box: Annotated[
        list[float] | None,
        Field(
            description="Where a picture of one person found its face: left, top, right and bottom"
            " in shares of the source's width and height."
        ),
    ]


class AppliedObject(AnswerBody):
    """Words of the prompt that had an effect."""

    part: Annotated[ReadPart, Field(description="What of the picture they are about.")]
    value: Annotated[
        str,
        Field(description="What was made of them: a colour as `#rrggbb`, a preset or a word."),
    ]
    words: str


class IgnoredObject(AnswerBody):
    """Words of the prompt that had no effect."""

    words: str
    reason: Annotated[
        IgnoredReason,
        Field(
            description="`unknown` to the model, in `conflict` with other words that went before,"
            " or `impossible` with this look or picture."
        ),
    ]


class PromptReadObject(AnswerBody):
    """What was understood of the prompt."""

    preset: str
    why: Annotated[PresetReason, Field(description="As `presetReason`.")]
    applied: list[AppliedObject]
    ignored: list[IgnoredObject]


class AnalysisObject(AnswerBody):
    """What the model says of its choices; null where it has nothing to say."""

    preset: Annotated[str | None, Field(description="The preset that was used.")]
    preset_reason: Annotated[
        PresetReason | None,
        Field(
            description="Why: `request` names it, the prompt's words ask for a `background` or a"
            " `look`, the prompt's `meaning` is near it, or it is the `default`."
        ),
    ]
    preset_words: Annotated[str | None, Field(description="The prompt's words that decided.")]
    refused_presets: Annotated[
        list[str], Field(description='Presets that the prompt refuses ("no neon").')
    ]
    framing: Annotated[
        Framing | None,
        Field(
            description="How the source came to the output's proportions: shown `whole`, `cropped`,"
            " its backdrop `extended`, or `bordered` with itself out of focus."
        ),
    ]
    people: Annotated[PeopleObject | None, Field(description="Null where nobody was looked for.")]
    prompt_read: Annotated[
        PromptReadObject | None,
        Field(description="Null where the model does not tell how it read the prompt."),
    ]


class QueueObject(AnswerBody):
    """Estimates of the wait; null where they are not known."""

    position: int | None
    eta_seconds: float | None
    reason: WaitingReason | None


class OutputObject(AnswerBody):
    """One delivered picture; its URLs are signed at every read and live for ten minutes."""

    index: int
    generation_id: Uuid
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str
    download_url: str | None
    download_url_expires_at: Time | None
    thumbnail_url: Annotated[
        str | None,
        Field(description="A WebP of at most 320 pixels; null where the model made none."),
    ]


class OmittedObject(AnswerBody):
    """A variation that was not delivered, and is not charged."""

    index: int
    code: str


class JobErrorObject(AnswerBody):
    """Why the job failed."""

    code: JobErrorCode
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
    status: StatusName
    status_url: str
    request_id: str
    quota: QuotaObject
    rate_limit: RateLimitObject
    batch_id: str | None
    mode: str
    preset: str | None
    prompt: str
    export_size: ExportSize
    output_aspect: OutputAspect
    output_format: OutputFormat
    variations: int
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    source: SourceObject
    models: list[ModelObject]
    analysis: Annotated[AnalysisObject | None, Field(description="Null before success.")]
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    deadline_at: Time | None
    expires_at: Time | None
    queue: QueueObject
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
