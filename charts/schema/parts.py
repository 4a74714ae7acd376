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


def _named(schema: dict[str, Any]) -> None:
    schema["items"] = {"type": "object", "required": ["name"]}


# Parts of a pod's own manifest, each with its name; the API server knows the rest.
Named = Annotated[list[Object], Field(json_schema_extra=_named)]


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


class Global(BaseModel):
    """What Helm hands down to every subchart, so unknown keys are others'."""

    model_config = ConfigDict(
        frozen=True, extra="allow", alias_generator=to_camel, validate_by_name=True
    )

    image_registry: str = Field(
        "",
        pattern=r"^([^/:@]+(:[0-9]+)?(/[^:@]*[^/:@])?)?$",
        description="Registry, and where wanted a path there, of every image whose repository "
        "names none.",
    )


class Trust(Part):
    """CAs of your own, besides the public ones, in a ConfigMap or a Secret of the namespace.

    They hold for every connection of the API, the operator, the probe and the pools made here.
    """

    config_map: NameOrNone = Field("", description="Name of the ConfigMap.")
    secret: NameOrNone = Field("", description="Name of the Secret, instead.")
    key: str = Field("ca.crt", min_length=1, description="Its key with the certificates (PEM).")


class MongoTls(Part):
    """Certificates of the connection to your MongoDB; TLS itself is asked for in its URL."""

    ca_secret: NameOrNone = Field("", description="Secret with the CA of its servers.")
    ca_key: str = Field("ca.crt", min_length=1, description="Its key.")
    client_secret: NameOrNone = Field(
        "", description="Secret with a client certificate, as for authMechanism=MONGODB-X509."
    )
    client_key: str = Field(
        "tls-combined.pem",
        min_length=1,
        description="Its key with certificate and private key in one (cert-manager: CombinedPEM).",
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
    runtime_class_name: NameOrNone = Field("", description="RuntimeClass; empty: none.")
    scheduler_name: NameOrNone = Field("", description="Scheduler; empty: the cluster's own.")


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
    constraints: list[Object] = Field(
        default_factory=list,
        description="More of topologySpreadConstraints, as in a pod's spec; without a "
        "labelSelector they count these pods.",
    )


class ServiceAccount(Part):
    """The account by which a cloud knows the pods (IRSA and others: docs/clouds.md)."""

    annotations: Texts = Field(
        default_factory=dict, description="Annotations, as eks.amazonaws.com/role-arn."
    )
    labels: Texts = Field(default_factory=dict, description="More labels.")


class PodParts(Part):
    """What more a component's pods have, as in a pod's own manifest."""

    scheduling: Scheduling = Field(default_factory=Scheduling)
    service_account: ServiceAccount = Field(default_factory=ServiceAccount)
    env: Texts | Named | None = Field(
        None,
        description="More variables: values by name, or a list as in a container, with valueFrom. "
        "They win over the chart's own.",
    )
    env_from: list[Object] = Field(
        default_factory=list, description="ConfigMaps and Secrets whose keys are variables."
    )
    extra_volumes: Named = Field(default_factory=list, description="More volumes.")
    extra_volume_mounts: Named = Field(
        default_factory=list, description="Where the component's container has them."
    )
    init_containers: Named = Field(
        default_factory=list,
        description="Containers that end before it starts, or with restartPolicy: Always run "
        "beside it. Without a securityContext of their own they have the chart's.",
    )
    extra_containers: Named = Field(
        default_factory=list, description="Containers beside it; likewise."
    )
    pod_labels: Texts = Field(default_factory=dict, description="Labels of its pods.")
    pod_annotations: Texts = Field(default_factory=dict, description="Annotations of its pods.")
