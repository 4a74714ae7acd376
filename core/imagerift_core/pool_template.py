"""How a TritonPool describes the model servers that the operator makes for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field, model_validator

from imagerift_core.engine import Engine
from imagerift_core.manifest_part import Name, Part, Quantity, Text
from imagerift_core.pod_fields import (
    WEIGHTS_FOLDER,
    Environment,
    EnvironmentVariable,
    PodFields,
    Resources,
    Toleration,
    WeightsNames,
)
from imagerift_core.pod_volumes import VolumeMount


class ModelVolume(Part):
    """A volume of models or weights, mounted read-only."""

    claim_name: Name = Field(description="PersistentVolumeClaim in the pool's namespace.")
    mount_path: str = Field(
        "/models", pattern=r"^/[^:]*$", max_length=512, description="Where the server finds it."
    )


def leave_room_for_weights(mounts: Iterable[VolumeMount], models: ModelVolume | None) -> None:
    """Raises `ValueError` where a volume is mounted where weights are."""
    folders = [mount.mount_path for mount in mounts] + ([models.mount_path] if models else [])
    for path in folders:
        if f"{path.rstrip('/')}/".startswith(f"{WEIGHTS_FOLDER}/"):
            raise ValueError(f"{path} is taken: weights are mounted below {WEIGHTS_FOLDER}")


class PoolTemplate(PodFields):
    """One model server of the pool: the operator keeps `minReplicas` to `maxReplicas` of it."""

    image: Text = Field(description="Image of the model server.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When the image is pulled; without it as Kubernetes does by the tag."
    )
    image_pull_secrets: list[Name] = Field(
        default_factory=list,
        max_length=16,
        description="Secrets of the pool's namespace that hold a registry's credentials.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Port of the server's HTTP interface.")
    metrics_port: int = Field(8002, ge=1, le=65535, description="Port of its metrics.")
    command: list[Text] = Field(
        default_factory=list, max_length=64, description="Runs instead of the image's entrypoint."
    )
    args: list[Text] = Field(
        default_factory=list, max_length=64, description="Arguments instead of the image's own."
    )
    env: Environment = Field(
        default_factory=list,
        max_length=128,
        description="Variables of the server's process, each name once.",
    )
    min_replicas: int = Field(1, ge=0, le=1000, description="Servers kept while nothing waits.")
    max_replicas: int = Field(1, ge=1, le=1000, description="Servers at most.")
    scale_down_after_seconds: int = Field(
        300, ge=1, le=86400, description="Quiet time before servers are taken away."
    )
    gpus: int = Field(
        0, ge=0, le=64, description="GPUs of one server; 0 for an image without code for any."
    )
    gpu_resource: str = Field(
        "nvidia.com/gpu",
        max_length=253,
        description="Extended resource that is one GPU, such as nvidia.com/mig-1g.10gb.",
    )
    resources: Resources = Field(
        default_factory=Resources, description="Requests and limits of one server, GPUs aside."
    )
    shared_memory: Quantity = Field("1Gi", description="Size of /dev/shm, in memory.")
    temporary_storage: Quantity = Field(
        "8Gi", description="Size of /tmp, on the node; a server that writes more is evicted."
    )
    model_volume: ModelVolume | None = Field(
        None, description="A volume of models or weights, mounted read-only."
    )
    weights: WeightsNames = Field(
        default_factory=list,
        max_length=16,
        description="ModelWeights that the servers have, read-only, each at /weights/NAME; no "
        "server is made before they are Ready.",
    )
    engine: Engine | None = Field(
        None,
        description="A server outside that draws for this pool's model `remote`; its servers run "
        "the pool file `engine`, unless IMAGERIFT_POOL names another.",
    )
    node_selector: dict[str, Name] = Field(
        default_factory=dict, description="Labels that a node must have to take a server."
    )
    tolerations: list[Toleration] = Field(
        default_factory=list, max_length=32, description="Taints that the servers put up with."
    )
    runtime_class_name: Name | None = Field(
        None, description="RuntimeClass of the servers' pods, such as nvidia."
    )
    priority_class_name: Name | None = Field(
        None, description="PriorityClass of the servers' pods; one that exists."
    )
    startup_seconds: int = Field(
        600, ge=10, le=7200, description="Time a server may take to load its models."
    )
    drain_seconds: int = Field(
        900, ge=1, le=7200, description="Time a server that goes may take to end its jobs."
    )
    drain_command: list[Text] = Field(
        default_factory=lambda: ["python3", "-m", "imagerift_vision.drain"],
        max_length=64,
        description="Run in a server that goes; returns when its jobs have ended.",
    )
    max_surge: int = Field(1, ge=0, le=100, description="Servers over the number in an update.")
    max_unavailable: int = Field(
        0, ge=0, le=100, description="Servers that may be missing in an update."
    )

    @model_validator(mode="after")
    def _consistent(self) -> PoolTemplate:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not exceed maxReplicas")
        if self.max_surge == 0 and self.max_unavailable == 0:
            raise ValueError("maxSurge and maxUnavailable must not both be 0")
        if self.weights:
            leave_room_for_weights(self.volume_mounts, self.model_volume)
        return self

    def variables(self) -> Iterator[EnvironmentVariable]:
        yield from self.env
        yield from super().variables()

    def images(self) -> set[str]:
        return {self.image} | super().images()

    def claims(self) -> set[str]:
        own = {self.model_volume.claim_name} if self.model_volume else set()
        return own | super().claims()
