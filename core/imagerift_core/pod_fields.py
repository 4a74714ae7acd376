"""What pools and job pods may say of their pods, in the words of a pod's own manifest.

A closed choice: what would open the pod to its node (hostPath, host networks, privileges) is no
field here, so it is refused by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from imagerift_core.manifest_part import Free, Name, Part, Quantity, Text
from imagerift_core.pod_volumes import Volume, VolumeMount

# Labels by which pods are found, and let through by network policies.
_OURS = ("app.kubernetes.io/", "imagerift.dev/")


def _each_once(names: list[str]) -> list[str]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} is named twice")
    return names


# Where pods find weights, each by its name.
WEIGHTS_FOLDER = "/weights"
# ModelWeights that pods have mounted.
WeightsNames = Annotated[list[Name], AfterValidator(_each_once)]


class Toleration(Part):
    """A taint that the servers' pods put up with, as in a pod's spec."""

    key: Name | None = Field(None, description="The taint's key; without one every taint.")
    operator: Literal["Exists", "Equal"] = Field(
        "Exists", description="Exists: whatever the taint's value; Equal: the value given here."
    )
    value: Name | None = Field(None, description="The taint's value, for the operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; without one every effect."
    )
    toleration_seconds: int | None = Field(
        None, ge=0, description="How long a NoExecute taint is put up with; without it for ever."
    )


class KeyReference(Part):
    """A key of a Secret or a ConfigMap of the namespace."""

    name: Name = Field(description="Name of the object.")
    key: Name = Field(description="Its key.")
    optional: bool | None = Field(None, description="Whether it may be missing.")


class FieldReference(Part):
    """A field of the pod itself."""

    field_path: Text = Field(description="Its path, such as metadata.name.")


class VariableSource(Part):
    """Where a variable's value comes from: exactly one."""

    secret_key_ref: KeyReference | None = Field(
        None, description="A key of a Secret; one that the administrator lets pools use."
    )
    config_map_key_ref: KeyReference | None = Field(None, description="A key of a ConfigMap.")
    field_ref: FieldReference | None = Field(None, description="A field of the pod itself.")

    @model_validator(mode="after")
    def _one(self) -> VariableSource:
        if len(self.chosen("secret_key_ref", "config_map_key_ref", "field_ref")) != 1:
            raise ValueError("give exactly one of secretKeyRef, configMapKeyRef and fieldRef")
        return self


class EnvironmentVariable(Part):
    """A variable of the server's process."""

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=253,
        description="Name of the variable; one of the operator's own is replaced.",
    )
    value: Text | None = Field(None, description="Its value, as plain text.")
    value_from: VariableSource | None = Field(None, description="Or where its value comes from.")

    @model_validator(mode="after")
    def _one(self) -> EnvironmentVariable:
        if len(self.chosen("value", "value_from")) != 1:
            raise ValueError(f"{self.name}: give exactly one of value and valueFrom")
        return self


def _each_name_once(variables: list[EnvironmentVariable]) -> list[EnvironmentVariable]:
    counts = Counter(variable.name for variable in variables)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} is given twice; give each variable once")
    return variables


Environment = Annotated[list[EnvironmentVariable], AfterValidator(_each_name_once)]


class ObjectReference(Part):
    """A Secret or a ConfigMap of the namespace."""

    name: Name = Field(description="Name of the object.")
    optional: bool | None = Field(None, description="Whether it may be missing.")


class VariablesSource(Part):
    """A Secret or a ConfigMap whose keys are variables."""

    prefix: Name | None = Field(None, description="What goes before each name.")
    config_map_ref: ObjectReference | None = Field(None, description="The ConfigMap.")
    secret_ref: ObjectReference | None = Field(
        None, description="Or the Secret; one that the administrator lets pools use."
    )

    @model_validator(mode="after")
    def _one(self) -> VariablesSource:
        if len(self.chosen("config_map_ref", "secret_ref")) != 1:
            raise ValueError("give exactly one of configMapRef and secretRef")
        return self


class Resources(Part):
    """Requests and limits of one container, GPUs aside."""

    requests: dict[str, Quantity] = Field(
        default_factory=dict, description='What a server is promised, such as cpu: 4 or "500m".'
    )
    limits: dict[str, Quantity] = Field(
        default_factory=dict, description="What a server may use at most, such as memory: 24Gi."
    )


class ExtraContainer(Part):
    """A container before the server; it is as closed as the server's own."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, description="Its own name."
    )
    image: Text = Field(description="An image that the administrator lets pools run.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When it is pulled."
    )
    command: list[Text] | None = Field(
        None, max_length=64, description="Runs instead of the image's entrypoint."
    )
    args: list[Text] | None = Field(
        None, max_length=64, description="Arguments instead of the image's own."
    )
    env: Environment | None = Field(
        None, max_length=128, description="Variables of its process, each name once."
    )
    env_from: list[VariablesSource] | None = Field(
        None, max_length=16, description="Objects whose keys are variables."
    )
    volume_mounts: list[VolumeMount] | None = Field(
        None, max_length=32, description="Where it has volumes of the pod."
    )
    resources: Resources | None = Field(None, description="Requests and limits.")
    restart_policy: Literal["Always"] | None = Field(
        None, description="Always: it runs beside the server, as long as that does."
    )


class Affinity(Part):
    """Rules of nodes and neighbours, each as in a pod's spec."""

    node_affinity: Free | None = Field(None, description="Nodes that are needed, or preferred.")
    pod_affinity: Free | None = Field(None, description="Pods to be near to.")
    pod_anti_affinity: Free | None = Field(None, description="Pods to be away from.")


class TopologySpread(Part):
    """How evenly the pods are spread, as in a pod's spec; it counts these pods."""

    max_skew: int = Field(1, ge=1, description="By how many pods two places may differ.")
    topology_key: Name = Field(description="Label of nodes that tells places apart.")
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = Field(
        "ScheduleAnyway", description="What to do where it cannot be kept."
    )
    min_domains: int | None = Field(None, ge=1, description="Places that there are at least.")


class ResourceClaim(Part):
    """Devices by Dynamic Resource Allocation (Kubernetes 1.34 or later): exactly one source."""

    name: Name = Field(description="Name of the claim in the pod.")
    resource_claim_name: Name | None = Field(None, description="A ResourceClaim that exists.")
    resource_claim_template_name: Name | None = Field(
        None, description="Or a template, of which each pod gets a claim of its own."
    )

    @model_validator(mode="after")
    def _one(self) -> ResourceClaim:
        if len(self.chosen("resource_claim_name", "resource_claim_template_name")) != 1:
            raise ValueError(
                f"{self.name}: give exactly one of resourceClaimName and resourceClaimTemplateName"
            )
        return self


class PodFields(Part):
    """Fields that pools' templates and job pods share."""

    pod_labels: dict[str, str] = Field(
        default_factory=dict,
        description="Labels of the pods; none of app.kubernetes.io/ and imagerift.dev/.",
    )
    pod_annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations of the pods."
    )
    env_from: list[VariablesSource] = Field(
        default_factory=list, max_length=16, description="Objects whose keys are variables."
    )
    volumes: list[Volume] = Field(
        default_factory=list, max_length=32, description="More volumes of the pods."
    )
    volume_mounts: list[VolumeMount] = Field(
        default_factory=list, max_length=32, description="Where the server has them."
    )
    init_containers: list[ExtraContainer] = Field(
        default_factory=list, max_length=16, description="Containers that go before the server."
    )
    affinity: Affinity | None = Field(None, description="Rules of nodes and neighbours.")
    topology_spread_constraints: list[TopologySpread] = Field(
        default_factory=list, max_length=8, description="How evenly the pods are spread."
    )
    resource_claims: list[ResourceClaim] = Field(
        default_factory=list, max_length=8, description="Devices by Dynamic Resource Allocation."
    )
    service_account_name: Name | None = Field(
        None,
        description="Account that the administrator lets pools have; its token is not mounted.",
    )
    scheduler_name: Name | None = Field(None, description="Scheduler; without it the default one.")

    @model_validator(mode="after")
    def _names(self) -> PodFields:
        ours = [name for name in self.pod_labels if name.startswith(_OURS)]
        if ours:
            raise ValueError(f"podLabels: {', '.join(sorted(ours))} is the operator's own")
        counts = Counter(volume.name for volume in self.volumes)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"volumes: {', '.join(twice)} is given twice")
        return self

    def variables(self) -> Iterator[EnvironmentVariable]:
        """Variables of every container; the server's own are a subclass's."""
        for container in self.init_containers:
            yield from container.env or ()

    def images(self) -> set[str]:
        """Images that are named here."""
        found = {container.image for container in self.init_containers}
        return found | {volume.image.reference for volume in self.volumes if volume.image}

    def claims(self) -> set[str]:
        """PersistentVolumeClaims that are named here."""
        named = (volume.persistent_volume_claim for volume in self.volumes)
        return {claim.claim_name for claim in named if claim is not None}

    def secrets(self) -> set[str]:
        """Secrets that are named here, those for pulling images aside."""
        sources = [*self.env_from]
        for container in self.init_containers:
            sources += container.env_from or ()
        found = {volume.secret.secret_name for volume in self.volumes if volume.secret}
        found |= {source.secret_ref.name for source in sources if source.secret_ref}
        for variable in self.variables():
            if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
                found.add(variable.value_from.secret_key_ref.name)
        return found
