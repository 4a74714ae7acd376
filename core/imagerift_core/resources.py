"""The custom resources `GenerationJob` and `TritonPool` as models, and objects made from them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from imagerift_core.generation import GenerationSpec, ModeName
from imagerift_core.jobs import DEFAULT_BACKOFF_LIMIT, JobRecord
from imagerift_core.plans import ExportSize
from imagerift_core.pool_template import PoolTemplate

GROUP = "imagerift.dev"
VERSION = "v1"
JOBS = "generationjobs"
POOLS = "tritonpools"

ORIGIN_LABEL = f"{GROUP}/origin"
WORKSPACE_LABEL = f"{GROUP}/workspace"
WORKSPACES_ANNOTATION = f"{GROUP}/workspaces"
TRACEPARENT_ANNOTATION = f"{GROUP}/traceparent"

DEFAULT_TTL_SECONDS = 300


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class SourceReference(_Part):
    """Where the source picture lies."""

    key: str = Field(
        min_length=1,
        max_length=1024,
        description="An imageKey: of an upload, or of a source or output of a job.",
    )


class GenerationJobSpec(GenerationSpec):
    """What to make, for whom, from which source. Immutable, but for cancel (false to true)."""

    workspace: str = Field(
        pattern=r"^ws_[0-9A-Za-z]+$", max_length=64, description="Workspace that is charged."
    )
    source: SourceReference
    pool: str | None = Field(None, max_length=253, description="Name of the TritonPool to use.")
    execution: Literal["Pool", "Pod"] = Field(
        "Pool", description="Run on a TritonPool, or as a GPU job pod of its own."
    )
    cancel: bool = Field(False, description="Set to true to cancel the job.")
    active_deadline_seconds: int = Field(
        3600, ge=10, le=86400, description="Seconds from acceptance until the job fails by timeout."
    )
    backoff_limit: int = Field(
        DEFAULT_BACKOFF_LIMIT, ge=0, le=10, description="Failed attempts before the job fails."
    )
    ttl_seconds_after_finished: int = Field(
        DEFAULT_TTL_SECONDS, ge=0, le=604800, description="Seconds until the ended job is deleted."
    )

    def wish(self) -> GenerationSpec:
        """The part of the spec that says what to make."""
        return GenerationSpec.model_validate(
            self.model_dump(include=set(GenerationSpec.model_fields))
        )


class ResourceOutput(_Part):
    """One picture made: its key in the bucket, pixels, bytes, digest and seed."""

    key: str
    width: int
    height: int
    bytes: int
    sha256: str
    seed: int


class Condition(_Part):
    """A condition in the Kubernetes sense."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int | None = None


Phase = Literal["Queued", "Running", "Succeeded", "Failed", "Canceled"]


class GenerationJobStatus(_Part):
    """A projection of the job record; repaired from it."""

    phase: Phase | None = None
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] = Field(default_factory=list)
    observed_generation: int | None = None
    job_id: str | None = None
    attempts: int | None = None
    queued_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    duration: str | None = None
    pool: str | None = None
    outputs: list[ResourceOutput] = Field(default_factory=list)


class TritonPoolSpec(_Part):
    """Model servers that jobs are sent to: one that exists, or ones that the operator makes."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+$",
        max_length=512,
        description="Base address of a server that exists.",
    )
    template: PoolTemplate | None = Field(
        None, description="Servers that the operator makes and repairs."
    )
    replicas: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Number of servers, as set through the scale subresource; without it the "
        "operator chooses between minReplicas and maxReplicas.",
    )
    slots_per_replica: int = Field(
        1, ge=1, le=64, description="Jobs in flight on one replica at most."
    )
    modes: list[ModeName] = Field(
        min_length=1, max_length=64, description="Modes that this pool serves."
    )
    export_sizes: list[ExportSize] = Field(
        default_factory=list,
        max_length=3,
        description="Export sizes that this pool serves; every one where none is named.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> TritonPoolSpec:
        if (self.endpoint is None) == (self.template is None):
            raise ValueError("give exactly one of endpoint and template")
        return self


class TritonPoolStatus(_Part):
    """What the operator sees of the pool."""

    replicas: int | None = None
    ready_replicas: int | None = None
    selector: str | None = None
    slots: int | None = None
    ready_models: list[str] = Field(default_factory=list)
    conditions: list[Condition] = Field(default_factory=list)
    observed_generation: int | None = None


def build_generation_job(record: JobRecord, ttl_seconds: int | None = None) -> dict[str, Any]:
    """The resource of an API job: named by its job id, carrying the trace context.

    Empty texts are left out: what they mean is the default, and some 1.20 servers read them
    as null.
    """
    spec = {
        name: value
        for name, value in record.spec.model_dump(by_alias=True, exclude_none=True).items()
        if value != ""
    }
    spec |= {
        "workspace": record.workspace,
        "source": {"key": record.source.key},
        "backoffLimit": record.backoff_limit,
    }
    if record.deadline_at is not None:
        seconds = (record.deadline_at - record.created_at).total_seconds()
        spec["activeDeadlineSeconds"] = max(10, round(seconds))
    if record.execution != "Pool":
        spec["execution"] = record.execution
    if ttl_seconds is not None:
        spec["ttlSecondsAfterFinished"] = ttl_seconds
    metadata: dict[str, Any] = {
        "name": record.resource_name,
        "namespace": record.namespace,
        "labels": {ORIGIN_LABEL: "api", WORKSPACE_LABEL: record.workspace},
    }
    if record.traceparent:
        metadata["annotations"] = {TRACEPARENT_ANNOTATION: record.traceparent}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "GenerationJob",
        "metadata": metadata,
        "spec": spec,
    }
