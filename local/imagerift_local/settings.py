"""Settings of the embedded platform, read once from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from platformdirs import user_cache_path, user_data_path
from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from imagerift_local.errors import PlatformError
from imagerift_local.parts import TABLE

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_DATA_DIR = user_data_path("imagerift")
ALL_PARTS = tuple(TABLE)
PACKAGED = "packaged"
CONTROL_PLANE = frozenset({"etcd", "kube-apiserver", "kube-controller-manager"})


class PlatformSettings(BaseSettings):
    """Everything that a user can change about the embedded platform.

    A part whose address is given is used as it is and never started. Ports are in `ports`.
    """

    model_config = SettingsConfigDict(
        env_prefix="IMAGERIFT_LOCAL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
    )

    data_dir: Path = Field(
        DEFAULT_DATA_DIR,
        validation_alias=AliasChoices("IMAGERIFT_DATA_DIR"),
        description="Folder of databases, secrets, logs and state.",
    )
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("imagerift"),
        validation_alias=AliasChoices("IMAGERIFT_CACHE_DIR"),
        description="Folder of provisioned servers; can be thrown away.",
    )
    namespace: str = Field(
        "imagerift",
        validation_alias=AliasChoices("IMAGERIFT_NAMESPACE"),
        description="Kubernetes namespace that the platform works in.",
    )
    only: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="Names of the parts to start, with commas; empty: all."
    )
    port_base: str = Field(
        "", description="First of the consecutive ports to use, or `auto` for any that are free."
    )
    pool: str = Field(
        "cpu-small",
        description="Triton's settings: a name in triton_models/pools, or a file of your own.",
    )
    weights: str = Field(
        "",
        description="Folder of the models' networks, or `packaged`: none but those of packages. "
        "Empty: one in the cache, for which better ones are tried.",
    )
    extra_models: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="More model repositories for Triton, separated like PATH."
    )
    kubeconfig: Path | None = Field(
        None, description="Administrator's kubeconfig of a cluster that exists."
    )
    mongo_url: SecretStr | None = Field(None, description="Replica set that exists.")
    mongo_database: str = Field(
        "imagerift",
        validation_alias=AliasChoices("IMAGERIFT_MONGO_DATABASE"),
        description="Database that the platform works in.",
    )
    triton_url: str | None = Field(None, description="http:// address of a Triton that exists.")
    s3_url: str | None = Field(None, description="S3 endpoint that exists (its keys are needed).")
    s3_public_url: str | None = Field(None, description="The same endpoint as clients see it.")
    s3_access_key: SecretStr | None = Field(None, description="Access key id for `s3_url`.")
    s3_secret_key: SecretStr | None = Field(None, description="Secret key for `s3_url`.")
    s3_region: str = Field("us-east-1", description="Region that signatures name.")
    s3_bucket: str = Field("imagerift", description="Bucket that holds sources and outputs.")
    start_timeout: float = Field(
        180.0, gt=0, description="Seconds that one part may take to become ready at the start."
    )

    @field_validator("only", "extra_models", mode="before")
    @classmethod
    def _split(cls, value: object, field: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        between = "," if field.field_name == "only" else os.pathsep
        return [entry for part in value.split(between) if (entry := part.strip())]

    @field_validator("port_base")
    @classmethod
    def _check_port_base(cls, value: str) -> str:
        if value not in {"", "0", "auto"} and not (value.isdigit() and int(value) <= 65000):
            raise ValueError("port base must be `auto` or a number from 1 to 65000")
        return "auto" if value == "0" else value


def wanted_parts(settings: PlatformSettings) -> frozenset[str]:
    """The parts of this start, those that exist already among them.

    Raises:
        PlatformError: `only` names a part that does not exist.
    """
    unknown = settings.only - set(ALL_PARTS)
    if unknown:
        raise PlatformError(
            f"no such part: {', '.join(sorted(unknown))} (there are {', '.join(ALL_PARTS)})"
        )
    return settings.only or frozenset(ALL_PARTS)


def started_parts(settings: PlatformSettings) -> frozenset[str]:
    """The parts that this start runs itself: those without an address in the settings."""
    given = {
        *(CONTROL_PLANE if settings.kubeconfig else ()),
        *(["mongod"] if settings.mongo_url else ()),
        *(["seaweedfs"] if settings.s3_url else ()),
        *(["triton"] if settings.triton_url else ()),
    }
    return wanted_parts(settings) - given
