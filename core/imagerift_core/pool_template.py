"""How a TritonPool describes the model servers that the operator makes for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

# Kubernetes' own spelling of an amount, such as "500m", "8Gi" or "2".
Quantity = Annotated[
    str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32)
]
Name = Annotated[str, Field(min_length=1, max_length=253)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class Toleration(_Part):
    """A taint that the servers' pods put up with, as in a pod's spec."""

    key: Name | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: Name | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = Field(None, ge=0)


class EnvironmentVariable(_Part):
    """A variable of the server's process. Nothing secret: model servers hold no credential."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)
    value: Text


class Resources(_Part):
    """Requests and limits of one server, GPUs aside."""

    requests: dict[str, Quantity] = Field(default_factory=dict)
    limits: dict[str, Quantity] = Field(default_factory=dict)


class ModelVolume(_Part):
    """A volume of models or weights, mounted read-only."""

    claim_name: Name = Field(description="PersistentVolumeClaim in the pool's namespace.")
    mount_path: str = Field("/models", pattern=r"^/[^:]*$", max_length=512)


class PoolTemplate(_Part):
    """One model server of the pool: the operator keeps `minReplicas` to `maxReplicas` of it."""

    image: Text = Field(description="Image of the model server.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: list[Name] = Field(default_factory=list, max_length=16)
    port: int = Field(8000, ge=1, le=65535, description="Port of the server's HTTP interface.")
    metrics_port: int = Field(8002, ge=1, le=65535, description="Port of its metrics.")
    command: list[Text] = Field(default_factory=list, max_length=64)
    args: list[Text] = Field(default_factory=list, max_length=64)
    env: list[EnvironmentVariable] = Field(default_factory=list, max_length=128)
    min_replicas: int = Field(1, ge=0, le=1000, description="Servers kept while nothing waits.")
    max_replicas: int = Field(1, ge=1, le=1000, description="Servers at most.")
    scale_down_after_seconds: int = Field(
        300, ge=1, le=86400, description="Quiet time before servers are taken away."
    )
    gpus: int = Field(0, ge=0, le=64, description="GPUs of one server; 0 for a CPU pool.")
    gpu_resource: str = Field(
        "nvidia.com/gpu",
        max_length=253,
        description="Extended resource that is one GPU, such as nvidia.com/mig-1g.10gb.",
    )
    resources: Resources = Field(default_factory=Resources)
    shared_memory: Quantity = Field("1Gi", description="Size of /dev/shm.")
    model_volume: ModelVolume | None = None
    node_selector: dict[str, Name] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list, max_length=32)
    runtime_class_name: Name | None = None
    priority_class_name: Name | None = None
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
        return self
