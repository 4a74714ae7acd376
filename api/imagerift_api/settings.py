"""What the API process and the admin commands read from their environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from imagerift_core.settings import SharedSettings
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_MIN_PEPPER_BYTES = 32


def _checked_pepper(value: SecretStr) -> SecretStr:
    try:
        length = len(bytes.fromhex(value.get_secret_value()))
    except ValueError:
        raise ValueError("must be hexadecimal") from None
    if length < _MIN_PEPPER_BYTES:
        raise ValueError(f"must hold at least {_MIN_PEPPER_BYTES} bytes")
    return value


KeyPepper = Annotated[SecretStr, AfterValidator(_checked_pepper)]


class ApiSettings(SharedSettings):
    """Settings of the API process."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    key_pepper: KeyPepper = Field(
        description="Secret under which API keys are hashed: hex, at least 32 bytes."
    )
    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8080, ge=0, le=65535, description="Port of the API.")
    api_metrics_port: int = Field(9090, ge=0, le=65535, description="Port of /metrics.")

    def pepper(self) -> bytes:
        return bytes.fromhex(self.key_pepper.get_secret_value())


class AdminSettings(BaseSettings):
    """Settings of the admin commands: the database and the pepper, nothing else."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERIFT_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    mongo_url: SecretStr = Field(description="Connection string of a MongoDB replica set.")
    mongo_database: str = Field("imagerift", description="Database that holds every collection.")
    key_pepper: KeyPepper = Field(description="The API's own pepper; keys are hashed under it.")
    plans_file: Path | None = Field(None, description="JSON file of plans; default: shipped.")

    def pepper(self) -> bytes:
        return bytes.fromhex(self.key_pepper.get_secret_value())
