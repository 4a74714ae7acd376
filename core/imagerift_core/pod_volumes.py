"""Volumes of the pods of pools and of jobs; none of them opens the pod to its node."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from imagerift_core.manifest_part import Name, Part, Quantity, Text

# Volumes that the operator makes itself.
_TAKEN = {
    "tmp", "shared-memory", "models", "request", "front-token", "front-tls", "engine-workflow",
    "engine-credential",
}  # fmt: skip
# And those of weights, each with a number.
WEIGHTS_VOLUME = "imagerift-weights-"
_SOURCES = ("empty_dir", "config_map", "secret", "persistent_volume_claim", "image")


class KeyToPath(Part):
    """A key as a file."""

    key: Name = Field(description="The key.")
    path: Text = Field(description="Path of its file below the mount.")


class EmptyDir(Part):
    """A folder that goes with the pod."""

    medium: Literal["Memory"] | None = Field(None, description="Memory: not on the node's disk.")
    size_limit: Quantity | None = Field(None, description="A pod that writes more is evicted.")


class ConfigMapVolume(Part):
    """Keys of a ConfigMap as files."""

    name: Name = Field(description="Name of the ConfigMap.")
    items: list[KeyToPath] | None = Field(
        None, max_length=64, description="Keys; without any, all of them."
    )
    optional: bool | None = Field(None, description="Whether it may be missing.")


class SecretVolume(Part):
    """Keys of a Secret as files."""

    secret_name: Name = Field(description="Secret that the administrator lets pools use.")
    items: list[KeyToPath] | None = Field(
        None, max_length=64, description="Keys; without any, all of them."
    )
    optional: bool | None = Field(None, description="Whether it may be missing.")


class ClaimVolume(Part):
    """A PersistentVolumeClaim of the namespace."""

    claim_name: Name = Field(description="A claim that the administrator lets pools mount.")
    read_only: bool | None = Field(None, description="Whether nothing can be written.")


class ImageVolume(Part):
    """An OCI artifact as a read-only folder (Kubernetes 1.33 or later)."""

    reference: Text = Field(description="An image that the administrator lets pools run.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When it is pulled."
    )


class Volume(Part):
    """A volume of the pod: a name and exactly one source."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name, by which mounts find it; not tmp, shared-memory, models, request.",
    )
    empty_dir: EmptyDir | None = Field(None, description="A folder that goes with the pod.")
    config_map: ConfigMapVolume | None = Field(None, description="Keys of a ConfigMap as files.")
    secret: SecretVolume | None = Field(None, description="Keys of a Secret as files.")
    persistent_volume_claim: ClaimVolume | None = Field(None, description="A claim's volume.")
    image: ImageVolume | None = Field(None, description="An OCI artifact, read-only.")

    @model_validator(mode="after")
    def _one(self) -> Volume:
        if self.name in _TAKEN or self.name.startswith(WEIGHTS_VOLUME):
            raise ValueError(f"the volume {self.name} is the operator's own; give it another name")
        if len(self.chosen(*_SOURCES)) != 1:
            raise ValueError(
                f"{self.name}: give exactly one of emptyDir, configMap, secret, "
                "persistentVolumeClaim and image"
            )
        return self


class VolumeMount(Part):
    """Where a container has a volume."""

    name: Name = Field(description="Name of the volume.")
    mount_path: str = Field(pattern=r"^/[^:]*$", max_length=512, description="The folder.")
    sub_path: Text | None = Field(None, description="Path in the volume; without it, all of it.")
    read_only: bool | None = Field(None, description="Whether nothing can be written there.")
