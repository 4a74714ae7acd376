"""The custom resources `GenerationJob` and `TritonPool` as models, and objects made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from imagerift_contract.values import MAX_REFERENCES, ExportSize
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from imagerift_core.generation import GenerationSpec, ModeName
from imagerift_core.jobs import DEFAULT_BACKOFF_LIMIT, JobRecord
from imagerift_core.pool_template import PoolTemplate

GROUP = "imagerift.dev"
VERSION = "v1"
JOBS = "generationjobs"
POOLS = "tritonpools"
WEIGHTS = "modelweights"

ORIGIN_LABEL = f"{GROUP}/origin"
WORKSPACE_LABEL = f"{GROUP}/workspace"
# Of a namespace: the workspaces it is bound to, as one list, and each as a key of its own, which
# is added and taken away without reading the others.
WORKSPACES_ANNOTATION = f"{GROUP}/workspaces"
WORKSPACE_BINDING_PREFIX = f"workspaces.{GROUP}/"
TRACEPARENT_ANNOTATION = f"{GROUP}/traceparent"

DEFAULT_TTL_SECONDS = 300
# Of a status, in characters: as long as Kubernetes' own conditions may have one.
MAX_MESSAGE = 32_768


class Part(BaseModel):
    """A part of a custom resource: in camelCase, and nothing unknown in it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class SourceReference(Part):
    """Where the source picture lies."""

    key: str = Field(
        min_length=1,
        max_length=1024,
        description="An imageKey: of an upload, or of a source or output of a job.",
    )


class MaskReference(Part):
    """Where the caller's own matte lies."""

    key: str = Field(
        min_length=1,
        max_length=1024,
        description="As of a source: a picture of its proportions, opaque or white where the "
        "subject is.",
    )


class PictureReference(Part):
    """Where another picture lies that is looked at."""

    key: str = Field(min_length=1, max_length=1024, description="As of a source.")


class GenerationJobSpec(GenerationSpec):
    """What to make, for whom, from which source. Immutable, but for cancel (false to true)."""

    workspace: str = Field(
        pattern=r"^ws_[0-9A-Za-z]+$", max_length=64, description="Workspace that is charged."
    )
    source: SourceReference = Field(description="Where the source picture lies.")
    mask: MaskReference | None = Field(None, description="Where the caller's own matte lies.")
    references: list[PictureReference] | None = Field(
        None,
        min_length=1,
        max_length=MAX_REFERENCES,
        description="Pictures that are looked at beside the source, by modes that take them.",
    )
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

    def generation_spec(self) -> GenerationSpec:
        """The part of the spec that says what to make."""
        return GenerationSpec.model_validate(
            self.model_dump(include=set(GenerationSpec.model_fields))
        )


class ResourceOutput(Part):
    """One picture made."""

    key: str = Field(description="Its key in the bucket; the REST API signs URLs for it.")
    width: int = Field(description="Width in pixels.")
    height: int = Field(description="Height in pixels.")
    bytes: int = Field(description="Size of the file in bytes.")
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal digits.")
    seed: int = Field(description="Seed it was made with.")


Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Condition(Part):
    """A condition in the Kubernetes sense."""

    type: str = Field(max_length=316, description="Name of the condition; there is one of each.")
    status: Literal["True", "False", "Unknown"] = Field(
        description="Whether it holds; Unknown where nothing is known."
    )
    reason: str = Field(max_length=1024, description="Why, as one word for programs.")
    message: str = Field(description="Why, as a sentence for people.")
    last_transition_time: Moment = Field(description="When the status last changed.")
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this was said of."
    )


class QueuePlace(Part):
    """Where a waiting job stood. Written anew every 30 s at most, later where many jobs wait."""

    position: int = Field(
        ge=0, description="Place in the queue, counted in units; 1 is the next to start."
    )
    reason: str = Field(max_length=1024, description="Why the job waits, as one word.")
    estimate: Moment | None = Field(
        None, description="When it will probably start; not there where nothing is known to say."
    )
    at: Moment = Field(description="When this was so; the REST API has the present.")


Phase = Literal["Queued", "Running", "Succeeded", "Failed", "Canceled"]


class GenerationJobStatus(Part):
    """How the job stands: a projection of its record, and repaired from it."""

    phase: Phase | None = Field(
        None, description="Where the job is: Queued, Running, or how it ended."
    )
    reason: str | None = Field(
        None,
        max_length=1024,
        description="Why the phase is what it is, as one word: why the job waits, once it has "
        "waited for 15 s, or how it ended.",
    )
    message: str | None = Field(
        None, max_length=MAX_MESSAGE, description="The reason as a sentence."
    )
    queue: QueuePlace | None = Field(
        None, description="Where the job waits, once it has waited for 15 s, and until it runs."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Complete, Failed or Canceled, once the job has ended; PodsReady, false "
        "while the installation can make no pods for such jobs.",
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is of."
    )
    job_id: str | None = Field(None, max_length=64, description="Id of the job in the REST API.")
    attempts: int | None = Field(
        None, ge=0, description="How often a model server was given the job."
    )
    preemptions: int | None = Field(
        None, ge=0, description="How often its pod was taken away for others; not charged."
    )
    queued_at: Moment | None = Field(None, description="When the job was accepted.")
    started_at: Moment | None = Field(None, description="When the last attempt began.")
    finished_at: Moment | None = Field(None, description="When the job ended.")
    duration: str | None = Field(
        None,
        max_length=32,
        description="From the beginning of the last attempt to the end, such as 12s.",
    )
    pool: str | None = Field(
        None, max_length=253, description="TritonPool that has run it, or runs it."
    )
    outputs: list[ResourceOutput] = Field(
        default_factory=list, description="Pictures made, one a variation that was delivered."
    )


class TritonPoolSpec(Part):
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
    slots_per_replica: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Jobs in flight on one replica at most, and no more than its server says that "
        "it takes; without it as many as that, or one where it does not say.",
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


class TritonPoolStatus(Part):
    """What the operator sees of the pool."""

    replicas: int | None = Field(None, description="Servers that are there, ready or not.")
    ready_replicas: int | None = Field(
        None, description="Servers that answer and have their control model."
    )
    selector: str | None = Field(
        None, description="Label selector of the servers' pods, for autoscalers."
    )
    slots: int | None = Field(None, description="Jobs that the ready servers take at once.")
    ready_models: list[str] = Field(
        default_factory=list, description="Models that a server of the pool has ready."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready and, for a template, Progressing and Unschedulable; WeightsReady where "
        "it names weights.",
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is of."
    )


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
    if record.mask is not None:
        spec["mask"] = {"key": record.mask.key}
    if record.references:
        spec["references"] = [{"key": each.key} for each in record.references]
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
