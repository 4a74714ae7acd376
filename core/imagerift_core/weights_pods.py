"""How the pods that download weights are made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from imagerift_core.manifest_part import Name, Text
from imagerift_core.pod_fields import Environment, PodFields, Resources, Toleration


class WeightsPods(PodFields):
    """Pods that download weights; their image is of the role `weights`."""

    image: Text = Field(description="Image with imagerift_core.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When it is pulled; without it as Kubernetes does by the tag."
    )
    image_pull_secrets: list[Name] = Field(
        default_factory=list, description="Secrets that hold a registry's credentials."
    )
    env: Environment = Field(
        default_factory=list,
        description="Variables, as of a proxy, or HF_ENDPOINT for a mirror of the Hub.",
    )
    resources: Resources = Field(
        default_factory=lambda: Resources(
            requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "512Mi"}
        ),
        description="Requests and limits of one pod.",
    )
    fs_group: int | None = Field(
        65532, ge=1, description="Group that may write to the volume; null: the cluster chooses."
    )
    node_selector: dict[str, Name] = Field(
        default_factory=dict, description="Labels that a node must have to take a pod."
    )
    tolerations: list[Toleration] = Field(
        default_factory=list, description="Taints that the pods put up with."
    )
    priority_class_name: Name | None = Field(None, description="PriorityClass of the pods.")
