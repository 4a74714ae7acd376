"""Jobs that run as pods of their own: how they are configured, and which jobs do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from imagerift_contract.values import ExportSize
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from imagerift_core.engine import Engine
from imagerift_core.generation import ModeName
from imagerift_core.manifest_part import Name, Quantity, Text
from imagerift_core.pod_fields import (
    Environment,
    EnvironmentVariable,
    PodFields,
    Resources,
    Toleration,
    WeightsNames,
)
from imagerift_core.pool_template import ModelVolume, leave_room_for_weights

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
QUEUE_PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"

Execution = Literal["Pool", "Pod"]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class PodRule(_Part):
    """Jobs that run as pods: those that match every list that is not empty."""

    plans: list[str] = Field(default_factory=list)
    modes: list[ModeName] = Field(default_factory=list)
    export_sizes: list[ExportSize] = Field(default_factory=list)

    def matches(self, *, plan: str, mode: str, export_size: str) -> bool:
        return (
            (not self.plans or plan in self.plans)
            and (not self.modes or mode in self.modes)
            and (not self.export_sizes or export_size in self.export_sizes)
        )


class JobQueue(_Part):
    """A queue of Kueue's that admits the Jobs: each is made suspended, and waits there."""

    name: Name = Field(description="LocalQueue of the job pods' namespace.")
    priority_class: Name | None = Field(
        None, description="WorkloadPriorityClass of the Jobs; without it the pods' own class."
    )


class Keeping(_Part):
    """Pods that stay for the next job of their workspace and mode."""

    idle_seconds: int = Field(
        120, ge=1, le=3600, description="How long a pod waits for the next job."
    )
    command: list[Text] = Field(
        default_factory=lambda: ["imagerift-triton"],
        min_length=1,
        description="Starts the image's model server, which such a pod runs.",
    )
    shared_memory: Quantity = Field("1Gi", description="Size of /dev/shm, in memory.")


class JobPods(PodFields):
    """How job pods are made. They live in a namespace that holds nothing else."""

    namespace: Name
    image: Text = Field(description="Image with imagerift_vision and the models.")
    command: list[Text] = Field(
        default_factory=lambda: ["python3", "-m", "imagerift_vision.runner"], min_length=1
    )
    image_pull_secrets: list[Name] = Field(default_factory=list)
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Labels of the Jobs; podLabels: of the pods.",
    )
    queue: JobQueue | None = Field(
        None, description="Queue of Kueue's that admits the Jobs; null: they start at once."
    )
    keep: Keeping | None = Field(
        None, description="Keep pods for the next job; null: one pod a job. Not with a queue."
    )
    do_not_disrupt: bool = Field(
        True, description="Ask Karpenter and the cluster autoscaler to leave the pods alone."
    )
    max_pods: int = Field(4, ge=1, le=10_000, description="Job pods at once.")
    start_seconds: int = Field(
        300, ge=1, le=7200, description="Time a pod may take to find a node and load its image."
    )
    gpus: int = Field(
        0, ge=0, le=64, description="GPUs of one pod; 0 for an image without code for any."
    )
    gpu_resource: str = Field("nvidia.com/gpu", max_length=253)
    check: bool = Field(
        True,
        description="Before the first pod that takes devices, ask one without any whether the "
        "models, their weights and the safety gate are there (docs/job-pods.md).",
    )
    resources: Resources = Field(default_factory=Resources)
    temporary_storage: Quantity = Field(
        "4Gi", description="Size of /tmp, on the node; a pod that writes more is evicted."
    )
    env: Environment = Field(default_factory=list)
    model_volume: ModelVolume | None = Field(
        None, description="A volume of models or weights, mounted read-only."
    )
    weights: WeightsNames = Field(
        default_factory=list,
        max_length=16,
        description="ModelWeights with execution Pod that the pods have, read-only, each at "
        "/weights/NAME; no pod is made before they are Ready (docs/weights.md).",
    )
    engine: Engine | None = Field(
        None,
        description="A server outside that draws for the model `remote` of job pods, whose pool "
        "file is then `engine`, unless IMAGERIFT_POOL names another (docs/engines.md).",
    )
    node_selector: dict[str, Name] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)
    runtime_class_name: Name | None = None
    priority_class_name: Name | None = None
    rules: list[PodRule] = Field(
        default_factory=list, description="A job of the API that matches one runs as a pod."
    )

    @model_validator(mode="after")
    def _consistent(self) -> JobPods:
        if self.keep is not None and self.queue_name is not None:
            raise ValueError("keep: a pod that is kept would hold its place in the queue; use one")
        if self.weights:
            leave_room_for_weights(self.volume_mounts, self.model_volume)
        return self

    @property
    def takes_devices(self) -> bool:
        """Whether a pod holds GPUs, of a device plugin or by a claim."""
        return bool(self.gpus or self.resource_claims)

    def variables(self) -> Iterator[EnvironmentVariable]:
        yield from self.env
        yield from super().variables()

    def claims(self) -> set[str]:
        own = {self.model_volume.claim_name} if self.model_volume else set()
        return own | super().claims()

    @property
    def queue_name(self) -> str | None:
        """The queue that admits the Jobs, also where their labels alone name it."""
        return self.queue.name if self.queue is not None else self.labels.get(QUEUE_LABEL)

    @property
    def job_labels(self) -> dict[str, str]:
        """Labels of the Jobs, those of their queue among them."""
        if self.queue is None:
            return dict(self.labels)
        of_queue = {QUEUE_LABEL: self.queue.name}
        if self.queue.priority_class is not None:
            of_queue[QUEUE_PRIORITY_LABEL] = self.queue.priority_class
        return {**self.labels, **of_queue}

    def execution(self, *, plan: str, mode: str, export_size: str) -> Execution:
        """How a job of the API runs: as a pod where a rule matches it."""
        chosen = any(
            rule.matches(plan=plan, mode=mode, export_size=export_size) for rule in self.rules
        )
        return "Pod" if chosen else "Pool"


def load_job_pods(path: Path | None) -> JobPods | None:
    """The configuration in `path`, None where there is none: every job runs on a pool.

    Raises pydantic's `ValidationError`, naming the field, where the file is wrong.
    """
    return None if path is None else JobPods.model_validate_json(path.read_text())
