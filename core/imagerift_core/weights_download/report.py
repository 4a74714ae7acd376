"""What the download is told, and what it says."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from imagerift_core.manifest_part import Part
from imagerift_core.model_weights import ModelWeightsSpec

PORT = 8080
# Kubernetes cuts a termination message here, in bytes.
MAX_REPORT = 4096
_MAX_WORDS = 1000


class DownloadRequest(Part):
    """What to fetch, and where to."""

    spec: ModelWeightsSpec
    folder: str = Field(min_length=1, description="Folder below the volume's root.")
    limit_bytes: int = Field(ge=0, description="What is larger in all is refused.")


class DownloadSettings(BaseSettings):
    """Read once from the environment (prefix `IMAGERIFT_WEIGHTS_`) when the process starts."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERIFT_WEIGHTS_", frozen=True, extra="ignore", populate_by_name=True
    )

    request: DownloadRequest
    root: Path = Field(Path("/weights"), description="Where the volume is mounted.")
    secret: Path = Field(
        Path("/etc/imagerift/weights-secret"), description="Where the Secret is mounted, if any."
    )
    report: Path = Field(
        Path("/dev/termination-log"), description="Where the report is written at the end."
    )
    host: str = Field("", description="Address of the progress port; empty: every one.")
    port: int = Field(PORT, ge=0, le=65535, description="GET / tells the progress.")
    ca_file: Path | None = Field(
        None, description="More authorities (PEM) that are believed, beside the system's."
    )
    hf_endpoint: str = Field(
        "https://huggingface.co",
        validation_alias="HF_ENDPOINT",
        description="Address of the Hugging Face Hub, or of a mirror of it.",
    )


class Downloaded(Part):
    """What a download came to, or why it failed.

    `again` says that the same download may end otherwise later.
    """

    digest: str | None = None
    bytes: int | None = None
    files: int | None = None
    licence: str | None = None
    revision: str | None = None
    error: str | None = None
    message: str | None = None
    again: bool = False


class Progress(Part):
    """How far a download is, in bytes; `total` is None where the source does not say."""

    done: int = 0
    total: int | None = None


class DownloadFailed(Exception):
    """Why the weights cannot be had: a word for programs and a sentence for people."""

    def __init__(self, reason: str, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.again = again

    def report(self) -> Downloaded:
        return Downloaded(error=self.reason, message=str(self)[:_MAX_WORDS], again=self.again)
