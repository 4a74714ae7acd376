"""Settings that the API, the operator and the admin commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_MIN_SECRET_BYTES = 32


def _checked_secret(value: SecretStr) -> SecretStr:
    try:
        length = len(bytes.fromhex(value.get_secret_value()))
    except ValueError:
        raise ValueError("must be hexadecimal") from None
    if length < _MIN_SECRET_BYTES:
        raise ValueError(f"must hold at least {_MIN_SECRET_BYTES} bytes")
    return value


HexSecret = Annotated[SecretStr, AfterValidator(_checked_secret)]


class MongoSettings(BaseSettings):
    """How the database is reached."""

    mongo_url: SecretStr = Field(description="Connection string of a MongoDB replica set.")
    mongo_ca_file: Path | None = Field(
        None, description="CA (PEM) of MongoDB's servers; default: those of the system."
    )
    mongo_client_certificate_file: Path | None = Field(
        None, description="Client certificate and its private key (PEM) for MongoDB; default: none."
    )
    mongo_database: str = Field("imagerift", description="Database that holds every collection.")

    @property
    def mongo_tls(self) -> dict[str, str | bool]:
        """What MongoDB's driver is told of TLS besides the URL, by its own options' names."""
        files = {
            "tlsCAFile": self.mongo_ca_file,
            "tlsCertificateKeyFile": self.mongo_client_certificate_file,
        }
        given = {name: str(path) for name, path in files.items() if path is not None}
        return {"tls": True, **given} if given else {}


class SharedSettings(MongoSettings):
    """Read once from the environment (prefix `IMAGERIFT_`) when a process starts."""

    model_config = SettingsConfigDict(env_prefix="IMAGERIFT_", frozen=True, extra="ignore")

    s3_internal_url: str = Field(description="S3 endpoint as the API and the model servers see it.")
    s3_public_url: str = Field(description="S3 endpoint as clients see it; their URLs name it.")
    s3_bucket: str = Field("imagerift", description="Bucket that holds sources and outputs.")
    s3_region: str = Field("us-east-1", description="Region that signatures name.")
    s3_addressing: Literal["path", "virtual"] = Field(
        "path", description="Where URLs name the bucket: in the path, or in the host."
    )
    s3_access_key: SecretStr | None = Field(
        None,
        description="Access key id of the S3 account; without it and the secret key the cloud "
        "gives the pod a role, as botocore's own chain of providers finds it.",
    )
    s3_secret_key: SecretStr | None = Field(None, description="Secret key of the S3 account.")
    namespace: str = Field("imagerift", description="Kubernetes namespace of this shard.")
    kubeconfig: Path | None = Field(
        None,
        validation_alias="KUBECONFIG",
        description="Path of a kubeconfig; without it the in-cluster service account is used.",
    )
    plans_file: Path | None = Field(None, description="JSON file of plans; default: shipped.")
    modes_file: Path | None = Field(None, description="JSON file of modes; default: shipped.")
    job_pods_file: Path | None = Field(
        None, description="JSON file of how jobs run as pods of their own; default: none does."
    )
    crash_dir: Path | None = Field(
        None,
        description="Tests only: a process kills itself at a named point "
        "when a file of that name lies in this folder.",
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
        ),
        description="Where spans are sent by OTLP over HTTP; without it none are recorded.",
    )
    log_level: str = Field("INFO", description="Lowest level that is logged.")

    @property
    def s3_internal_origin(self) -> str:
        """Scheme, host and port that model servers may fetch from and put to."""
        parts = urlsplit(self.s3_internal_url)
        bucket = f"{self.s3_bucket}." if self.s3_addressing == "virtual" else ""
        return f"{parts.scheme}://{bucket}{parts.netloc}"

    @model_validator(mode="after")
    def _both_keys_or_none(self) -> SharedSettings:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("give both s3_access_key and s3_secret_key, or neither")
        return self
