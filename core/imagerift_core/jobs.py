"""The job record: what happened. MongoDB holds it, every read answers from it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from imagerift_contract.values import (
    MAX_FACES,
    MAX_PRESET_NAME,
    MAX_PRESET_WORDS,
    MAX_READ_ITEMS,
    MAX_READ_VALUE,
    MAX_REFUSED_PRESETS,
    Framing,
    IgnoredReason,
    JobErrorCode,
    PresetReason,
    ReadPart,
    SubjectReason,
    SubjectTreatment,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from imagerift_core.generation import GenerationSpec
from imagerift_core.plans import QuotaScope
from imagerift_core.stored import KEPT, STORED

MAX_ATTEMPTS = 10
DEFAULT_BACKOFF_LIMIT = 3
# Raised by a version that writes what those before it must not run; see docs/compatibility.md.
SCHEMA_VERSION = 4


# What the picture or the request is to blame for; of every other error the installation is.
CUSTOMERS_ERRORS: frozenset[JobErrorCode] = frozenset(
    {
        "unsupported_image",
        "image_unreadable",
        "image_too_large",
        "content_filtered",
        "no_face_found",
        "subject_unclear",
        "invalid_request",
    }
)


class Status(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL

    @property
    def known(self) -> bool:
        """False for a status that only another version knows."""
        return self in frozenset(Status)


TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SourceImage(_Record):
    """The job's own copy of its source. `key` is in the bucket; sizes are bytes and pixels.

    Pixels and digest are None for an upload that a hand-made resource names: nobody but the
    model opens that one.
    """

    key: str
    content_type: str
    size_bytes: int
    width: int | None
    height: int | None
    sha256: str | None
    image_key: str | None = None


class QuotaReservation(_Record):
    """The job's part of one quota counter.

    `remaining` is what the counter said at the last write of this record: at the reservation,
    and again at the charge. `state` moves once, from reserved to charged or released.
    """

    counter: str
    scope: Annotated[QuotaScope, KEPT]
    limit: int
    units: int
    remaining: int
    remaining_after_queue: int
    state: Annotated[Literal["reserved", "charged", "released"], KEPT] = "reserved"
    charged_units: int = 0


class Output(_Record):
    """One delivered picture. Only bucket keys are stored; URLs are signed when read.

    `thumbnail_key` is None where the model put no thumbnail beside it.
    """

    index: int
    generation_id: str
    key: str
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str
    thumbnail_key: str | None = None

    @property
    def keys(self) -> list[str]:
        """The keys of everything that is stored of it."""
        return [self.key] if self.thumbnail_key is None else [self.key, self.thumbnail_key]


class OmittedOutput(_Record):
    index: int
    code: str


class JobError(_Record):
    code: Annotated[JobErrorCode, KEPT]
    message: str
    retryable: bool = False


class ModelVersion(_Record):
    name: str
    version: str


Share = Annotated[float, Field(ge=0, le=1)]


class People(_Record):
    """The faces in the source, and how many of them the picture shows.

    `box` is the one that a picture of a single person shows: left, top, right and bottom in
    shares of the source.
    """

    found: int = Field(ge=0, le=MAX_FACES)
    shown: int = Field(ge=0, le=MAX_FACES)
    box: tuple[Share, Share, Share, Share] | None = None


class AppliedWords(_Record):
    """Words of a prompt that had an effect: a colour as `#rrggbb`, a preset's name or a word."""

    part: Annotated[ReadPart, KEPT]
    value: str = Field(max_length=MAX_READ_VALUE)
    words: str = Field(max_length=MAX_PRESET_WORDS)


class IgnoredWords(_Record):
    """Words of a prompt that had none."""

    words: str = Field(max_length=MAX_PRESET_WORDS)
    reason: Annotated[IgnoredReason, KEPT]


class PromptRead(_Record):
    """What was understood of a prompt."""

    preset: str = Field(max_length=MAX_PRESET_NAME)
    why: Annotated[PresetReason, KEPT]
    applied: list[AppliedWords] = Field([], max_length=MAX_READ_ITEMS)
    ignored: list[IgnoredWords] = Field([], max_length=MAX_READ_ITEMS)


class Subject(_Record):
    """What became of the subject, and how sure the model is of its matte (None where given)."""

    treatment: Annotated[SubjectTreatment, KEPT]
    reason: Annotated[SubjectReason, KEPT]
    confidence: Share | None = None


class Analysis(_Record):
    """What the model says of its choices. None and empty where it has nothing to say.

    `preset_words` are the prompt's own, which chose the preset; `refused_presets` those that the
    prompt refuses.
    """

    preset_reason: Annotated[PresetReason, KEPT] | None = None
    preset_words: str | None = Field(None, max_length=MAX_PRESET_WORDS)
    refused_presets: list[Annotated[str, Field(max_length=MAX_PRESET_NAME)]] = Field(
        [], max_length=MAX_REFUSED_PRESETS
    )
    framing: Annotated[Framing, KEPT] | None = None
    people: People | None = None
    prompt_read: PromptRead | None = None
    subject: Subject | None = None


class JobRecord(_Record):
    """One job, from acceptance to retention's end.

    `attempt` counts claims; `owner` names the dispatcher that holds the current one.
    `failures` counts attempts that failed by themselves and is bounded by `backoff_limit`;
    attempts of every kind are bounded by `MAX_ATTEMPTS`. `schema_version` is the oldest version of
    this form that may run the job.
    """

    id: str = Field(alias="_id")
    workspace: str
    request_id: str
    key_id: str | None = None
    batch_id: str | None = None
    origin: Annotated[Literal["api", "kubectl"], KEPT] = "api"
    namespace: str
    resource_name: str
    resource_uid: str | None = None
    status: Annotated[Status, KEPT] = Status.QUEUED
    attempt: int = 0
    failures: int = 0
    preemptions: int = 0
    backoff_limit: int = DEFAULT_BACKOFF_LIMIT
    owner: str | None = None
    cancel_requested: bool = False
    cancel_reason: str | None = None
    band: int = 0
    retention_days: int = 30
    spec: GenerationSpec
    preset_used: str | None = None
    source: SourceImage
    mask: SourceImage | None = None
    references: list[SourceImage] = Field(default_factory=list)
    quota: QuotaReservation
    metadata: dict[str, str] = Field(default_factory=dict)
    webhook_url: str | None = None
    execution: Annotated[Literal["Pool", "Pod"], KEPT] = "Pool"
    pool: str | None = None
    outputs: list[Output] = Field(default_factory=list)
    omitted: list[OmittedOutput] = Field(default_factory=list)
    error: JobError | None = None
    models: list[ModelVersion] = Field(default_factory=list)
    stage_ms: dict[str, float] = Field(default_factory=dict)
    analysis: Analysis | None = None
    traceparent: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    deadline_at: datetime | None = None
    attempt_deadline_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    schema_version: int = 1

    @field_validator("spec", mode="before")
    @classmethod
    def _pass_over_unknown(cls, spec: Any, info: ValidationInfo) -> Any:
        """A spec that was stored may hold more than one that is asked for."""
        if info.context == STORED and isinstance(spec, dict):
            names = GenerationSpec.model_fields
            known = {*names, *(field.alias for field in names.values())}
            return {name: value for name, value in spec.items() if name in known}
        return spec

    @property
    def may_run(self) -> bool:
        """Whether this version may run the job: one of another may ask for what is unknown here."""
        return self.schema_version <= SCHEMA_VERSION

    @property
    def given(self) -> list[SourceImage]:
        """The job's own copies of what it was given: source, mask and references."""
        masks = [] if self.mask is None else [self.mask]
        return [self.source, *masks, *self.references]

    @property
    def kept_keys(self) -> set[str]:
        """The keys of everything that the ended job keeps in the bucket."""
        return {each.key for each in self.given} | {key for o in self.outputs for key in o.keys}

    def document(self) -> dict[str, object]:
        """The record as MongoDB stores it."""
        return self.model_dump(by_alias=True) | {"status": self.status.value}


def fault_of(record: JobRecord) -> Literal["none", "customer", "ours"]:
    """Whose fault it is that a job failed; none where it did not."""
    if record.status is not Status.FAILED:
        return "none"
    customers = record.error is not None and record.error.code in CUSTOMERS_ERRORS
    return "customer" if customers else "ours"
