"""Pieces of values that several components share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
NameOrNone = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", max_length=253)]
# Whatever Kubernetes takes as an amount; the chart writes it as text.
Quantity = (
    Annotated[
        str,
        Field(
            pattern=r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$",
            max_length=32,
        ),
    ]
    | Annotated[float, Field(ge=0)]
)
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0)]
Object = dict[str, Any]
Texts = dict[str, str]


class Part(BaseModel):
    """Unknown keys are refused, so that a misspelt one is never ignored."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class Image(Part):
    """A container image. A digest wins over the tag."""

    repository: str = Field("", description="Registry and path. Empty: the shipped one.")
    tag: str = Field("", description="Empty: the chart's appVersion.")
    digest: str = Field(
        "", pattern=r"^(sha256:[0-9a-f]{64})?$", description="sha256:…; pins the image."
    )


class Resources(Part):
    """Requests and limits of a container."""

    requests: dict[str, Quantity] = Field(default_factory=dict, description="What it is promised.")
    limits: dict[str, Quantity] = Field(default_factory=dict, description="What it may take.")


class Scheduling(Part):
    """Where pods go."""

    node_selector: Texts = Field(default_factory=dict, description="Labels that a node must have.")
    tolerations: list[Object] = Field(default_factory=list, description="Taints that are fine.")
    affinity: Object = Field(default_factory=dict, description="Affinity, as in a pod's spec.")
    priority_class_name: NameOrNone = Field("", description="PriorityClass; empty: none.")


class Storage(Part):
    """A claim for a disk."""

    size: Quantity = Field("8Gi", description="Size of the claim.")
    class_name: NameOrNone = Field("", description="StorageClass; empty: the cluster's default.")


class DisruptionBudget(Part):
    """How many pods a drain may take at a time."""

    enabled: bool = Field(True, description="Make a PodDisruptionBudget.")
    max_unavailable: int = Field(1, ge=1, description="Pods that may be away at a time.")


class Spread(Part):
    """How evenly pods are spread."""

    topology_keys: list[str] = Field(
        default=["kubernetes.io/hostname", "topology.kubernetes.io/zone"],
        description="Node labels over which the pods are spread.",
    )
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = Field(
        "ScheduleAnyway", description="What to do where they cannot be spread evenly."
    )
