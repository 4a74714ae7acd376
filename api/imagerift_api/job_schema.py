"""The shapes of answers about jobs. mypy holds the code to them, and the document shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from imagerift_contract.values import (
    MAX_SEED,
    ExportSize,
    Framing,
    JobErrorCode,
    OutputAspect,
    OutputFormat,
    PresetReason,
)
from imagerift_core.mongo.scheduler_snapshot import WaitingReason
from imagerift_core.plans import QuotaScope
from pydantic import Field
from typing_extensions import TypedDict

from imagerift_api.openapi.shapes import Time, Uuid, closed

StatusName = Literal["queued", "processing", "succeeded", "failed", "canceled"]


@closed
class QuotaObject(TypedDict):
    """The job's part of the quota, as of its last change."""

    source: Literal["plan"]
    scope: QuotaScope
    remaining: Annotated[int, Field(ge=0, description="Limit minus what is charged.")]
    charged: bool
    remainingAfterQueue: Annotated[int, Field(ge=0)]
    chargedOnSuccess: bool
    reserved: Annotated[int, Field(ge=0, description="Units that this job holds in flight.")]
    units: Annotated[int, Field(ge=0, description="Units asked for or, once charged, delivered.")]


@closed
class RateLimitObject(TypedDict):
    """Where the workspace stands in this minute."""

    remainingThisMinute: Annotated[int, Field(ge=0)]


@closed
class SourceObject(TypedDict):
    """The job's own copy of its source."""

    imageKey: str


@closed
class ModelObject(TypedDict):
    """A model that took part."""

    name: str
    version: str


@closed
class PeopleObject(TypedDict):
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


@closed
class AnalysisObject(TypedDict):
    """What the model says of its choices; null where it has nothing to say."""

    preset: Annotated[str | None, Field(description="The preset that was used.")]
    presetReason: Annotated[
        PresetReason | None,
        Field(
            description="Why: `request` names it, the prompt's words ask for a `background` or a"
            " `look`, the prompt's `meaning` is near it, or it is the `default`."
        ),
    ]
    presetWords: Annotated[str | None, Field(description="The prompt's words that decided.")]
    refusedPresets: Annotated[
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


@closed
class QueueObject(TypedDict):
    """Estimates of the wait; null where they are not known."""

    position: int | None
    etaSeconds: float | None
    reason: WaitingReason | None


@closed
class OutputObject(TypedDict):
    """One delivered picture; its URLs are signed at every read and live for ten minutes."""

    index: int
    generationId: Uuid
    seed: int
    width: int
    height: int
    contentType: str
    sizeBytes: int
    sha256: str
    downloadUrl: str | None
    downloadUrlExpiresAt: Time | None
    thumbnailUrl: Annotated[
        str | None,
        Field(description="A WebP of at most 320 pixels; null where the model made none."),
    ]


@closed
class OmittedObject(TypedDict):
    """A variation that was not delivered, and is not charged."""

    index: int
    code: str


@closed
class JobErrorObject(TypedDict):
    """Why the job failed."""

    code: JobErrorCode
    message: str
    retryable: bool


@closed
class StagesObject(TypedDict):
    """Where the execution's time went, in milliseconds; null where the model did not say."""

    fetchMs: int | None
    decodeMs: int | None
    modelMs: int | None
    encodeMs: int | None
    uploadMs: int | None


@closed
class MetricsObject(TypedDict):
    """How long the job took, in milliseconds."""

    queueMs: int | None
    executionMs: int | None
    totalMs: int | None
    stages: StagesObject


@closed
class UrlsObject(TypedDict):
    """Paths of what can be done with the job."""

    self: str
    cancel: str
    events: str


@closed
class JobObject(TypedDict):
    """A job: one shape in every answer and at every status."""

    jobId: Uuid
    status: StatusName
    statusUrl: str
    requestId: str
    quota: QuotaObject
    rateLimit: RateLimitObject
    batchId: str | None
    mode: str
    preset: str | None
    prompt: str
    exportSize: ExportSize
    outputAspect: OutputAspect
    outputFormat: OutputFormat
    variations: int
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    source: SourceObject
    models: list[ModelObject]
    analysis: Annotated[AnalysisObject | None, Field(description="Null before success.")]
    createdAt: Time
    startedAt: Time | None
    completedAt: Time | None
    deadlineAt: Time | None
    expiresAt: Time | None
    queue: QueueObject
    outputs: list[OutputObject]
    omitted: list[OmittedObject]
    downloadUrl: Annotated[str | None, Field(description="The first output's.")]
    thumbnailUrl: Annotated[str | None, Field(description="The first output's.")]
    error: JobErrorObject | None
    metrics: MetricsObject
    metadata: dict[str, str]
    cancelReason: str | None
    urls: UrlsObject


@closed
class JobPageObject(TypedDict):
    """A page of jobs, newest first, without URLs."""

    data: list[JobObject]
    nextCursor: Annotated[str | None, Field(description="The next page's cursor; null at the end")]
