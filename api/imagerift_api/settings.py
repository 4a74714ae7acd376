"""What the API process and the commands on its database read from their environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from aiohttp import web
from imagerift_core.modes import Modes
from imagerift_core.plans import Plans
from imagerift_core.sealing import derived_key
from imagerift_core.settings import HexSecret, MongoSettings
from imagerift_core.tenant_settings import TenantSettings
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from yarl import URL


def _checked_origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("must be http(s)://host[:port]")
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        raise ValueError(
            "must have no path: ImageRift is served at the root of a host, such as "
            "https://images.example.com"
        )
    return f"{parts.scheme}://{parts.netloc}".lower()


def _check_issuer(value: str) -> None:
    """Raises `ValueError` unless it is https, or an issuer on this machine.

    Parsed as the client that asks the issuer parses it.
    """
    url = URL(value)
    local = url.scheme == "http" and url.host in {"127.0.0.1", "::1"}
    if not url.host or not (url.scheme == "https" or local):
        raise ValueError("OIDC_ISSUER must be https://host[:port][/path]")
    if url.raw_user is not None or url.raw_query_string or url.raw_fragment:
        raise ValueError("OIDC_ISSUER must have no user, query or fragment")


def _claims(value: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in _listed(value))
    return tuple((name.strip(), wanted.strip()) for name, _, wanted in pairs)


def _checked_claims(value: str) -> str:
    if not all(name and wanted for name, wanted in _claims(value)):
        raise ValueError("must be name=value pairs, comma-separated")
    return value


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


class ApiSettings(TenantSettings):
    """Settings of the API process."""

    key_pepper: HexSecret = Field(
        description="Secret under which API keys are hashed: hex, at least 32 bytes."
    )
    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8080, ge=0, le=65535, description="Port of the API.")
    api_metrics_port: int = Field(9090, ge=0, le=65535, description="Port of /metrics.")
    public_url: Annotated[str, AfterValidator(_checked_origin)] | None = Field(
        None, description="Origin under which browsers reach this installation; default: as asked."
    )
    forwarded_hops: int = Field(
        0, ge=0, description="How many trusted proxies append to X-Forwarded-For before this one."
    )
    session_key: HexSecret | None = Field(
        None, description="Signs account sessions: hex, 32 bytes; default: from the key pepper."
    )
    session_hours: int = Field(
        12, ge=1, le=24, description="Hours after which somebody has to sign in again."
    )
    session_idle_minutes: int = Field(
        60, ge=10, le=1440, description="Minutes without a request after which a session is over."
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect issuer that people sign in with; none: no such sign-in."
    )
    oidc_client_id: str | None = Field(None, description="This installation's client id there.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Its client secret; none for a public client (PKCE is always used)."
    )
    oidc_open: bool = Field(
        False, description="Whether everybody whom the issuer vouches for may have an account."
    )
    oidc_email_domains: str = Field(
        "",
        description="Domains, comma-separated: who has a verified address there may sign up.",
    )
    oidc_claims: Annotated[str, AfterValidator(_checked_claims)] = Field(
        "",
        description="name=value pairs, comma-separated: who has one of these claims may sign up.",
    )
    sign_in_users_file: Path | None = Field(
        None,
        description="JSON file of names and argon2 hashes: the built-in issuer. Off without it.",
    )
    sign_in_tries_per_minute: int = Field(
        10, ge=1, description="Wrong passwords for one name from one address in a minute."
    )
    unidentified_requests_per_minute: int = Field(
        60,
        ge=1,
        description="Unknown API keys, or sign-ins at the issuer, of one address in a minute.",
    )
    account_requests_per_minute: int = Field(
        300, ge=1, description="Account requests of one person; apart from the plan's API limit."
    )
    admin_token: SecretStr | None = Field(
        None,
        min_length=32,
        description="Token of the admin REST API, /admin/v1; without one it lets nobody in.",
    )
    admin_requests_per_minute: int = Field(
        600, ge=1, description="Requests of all administrators together."
    )
    previews: bool = Field(
        True, description="Show thumbnails of pictures that are finished while their job runs."
    )

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        if self.oidc_issuer is not None:
            if self.oidc_client_id is None or self.public_url is None:
                raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID and PUBLIC_URL")
            _check_issuer(self.oidc_issuer)
        return self

    @property
    def is_https(self) -> bool:
        """Whether browsers reach this installation by https alone."""
        return self.public_url is not None and urlsplit(self.public_url).scheme == "https"

    def session_secret(self) -> bytes:
        return self._own_or_derived(self.session_key, "imagerift account sessions")

    def device_secret(self) -> bytes:
        return derived_key(self.session_secret(), "imagerift known devices")

    def sign_in_secret(self) -> bytes:
        return derived_key(self.session_secret(), "imagerift sign-ins under way")

    def sign_up_domains(self) -> frozenset[str]:
        return frozenset(part.lower() for part in _listed(self.oidc_email_domains))

    def sign_up_claims(self) -> tuple[tuple[str, str], ...]:
        return _claims(self.oidc_claims)


class StoreSettings(MongoSettings):
    """Settings of the commands on the database itself."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERIFT_", frozen=True, extra="ignore", hide_input_in_errors=True
    )


SETTINGS = web.AppKey("settings", ApiSettings)
# What the files that the settings name offer.
MODES = web.AppKey("modes", Modes)
PLANS = web.AppKey("plans", Plans)
