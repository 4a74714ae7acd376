"""What a pool or the job pods say of their pods, put into a pod that the operator makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from imagerift_core.kube_workloads import Trouble
from imagerift_core.pod_fields import EnvironmentVariable, ExtraContainer, PodFields

CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True)
class MountedWeights:
    """Volumes and mounts of the weights that a pod names; or why it may not be made yet.

    `coming` says that waiting is all that it takes.
    """

    volumes: tuple[dict[str, Any], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()
    trouble: Trouble | None = None
    coming: bool = False

    @property
    def lack(self) -> Trouble | None:
        """Why no pod is made yet, as those are told who wait for one."""
        if self.trouble is None or not self.coming:
            return self.trouble
        return Trouble("WaitingForWeights", self.trouble.words)

    def put_into(self, pod_spec: dict[str, Any]) -> dict[str, Any]:
        """The pod's spec with the weights in its one container."""
        if not self.volumes:
            return pod_spec
        (container,) = pod_spec["containers"]
        mounts = [*container["volumeMounts"], *self.mounts]
        return {
            **pod_spec,
            "containers": [container | {"volumeMounts": mounts}],
            "volumes": [*pod_spec["volumes"], *self.volumes],
        }


NO_WEIGHTS = MountedWeights()
# Tells what pods have of weights at this moment.
WeightsNow = Callable[[], MountedWeights]


def no_weights() -> MountedWeights:
    """Of pods that name none."""
    return NO_WEIGHTS


def pod_metadata(
    labels: dict[str, str], fields: PodFields, annotations: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Metadata of a pod: `labels` are the operator's own, `annotations` give way to the fields'."""
    metadata: dict[str, Any] = {"labels": {**fields.pod_labels, **labels}}
    if annotations or fields.pod_annotations:
        metadata["annotations"] = {**annotations, **fields.pod_annotations}
    return metadata


def with_fields(spec: dict[str, Any], fields: PodFields, labels: dict[str, str]) -> dict[str, Any]:
    """The pod's spec with what its fields add; its one container is the server or the runner.

    `labels` tell the pods that are spread together.
    """
    (container,) = spec["containers"]
    added = {
        "initContainers": [_container(one) for one in fields.init_containers],
        "affinity": fields.affinity and fields.affinity.manifest(),
        "topologySpreadConstraints": [
            one.manifest() | {"labelSelector": {"matchLabels": labels}}
            for one in fields.topology_spread_constraints
        ],
        "resourceClaims": [claim.manifest() for claim in fields.resource_claims],
        "serviceAccountName": fields.service_account_name,
        "schedulerName": fields.scheduler_name,
    }
    return {
        **spec,
        "containers": [_with_own(container, fields)],
        "volumes": [*spec["volumes"], *(volume.manifest() for volume in fields.volumes)],
        **{name: value for name, value in added.items() if value},
    }


def variable(given: EnvironmentVariable) -> dict[str, Any]:
    """A variable as it stands in a container."""
    return given.manifest()


def _with_own(container: dict[str, Any], fields: PodFields) -> dict[str, Any]:
    mounts = [*container["volumeMounts"], *(mount.manifest() for mount in fields.volume_mounts)]
    own = container | {"volumeMounts": mounts}
    if fields.env_from:
        own["envFrom"] = [source.manifest() for source in fields.env_from]
    if fields.resource_claims:
        claims = [{"name": claim.name} for claim in fields.resource_claims]
        own["resources"] = own.get("resources", {}) | {"claims": claims}
    return own


def _container(extra: ExtraContainer) -> dict[str, Any]:
    made = extra.manifest() | {"securityContext": CONTAINER_SECURITY}
    if extra.resources is not None:
        made["resources"] = {
            name: amounts for name, amounts in extra.resources.manifest().items() if amounts
        }
    return made
