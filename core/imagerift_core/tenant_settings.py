"""Settings of whoever makes keys and webhooks: the API, and an operator that follows tenants."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from imagerift_core.egress import Egress
from imagerift_core.sealing import derived_key
from imagerift_core.settings import HexSecret, SharedSettings


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _checked_networks(value: str) -> str:
    for part in _listed(value):
        ipaddress.ip_network(part)
    return value


class TenantSettings(SharedSettings):
    """Under what keys are hashed and webhooks' secrets sealed, and where webhooks may lead."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    key_pepper: HexSecret | None = Field(
        None, description="Secret under which API keys are hashed: hex, at least 32 bytes."
    )
    webhook_key: HexSecret | None = Field(
        None, description="Encrypts webhook secrets: hex, 32 bytes; default: from the key pepper."
    )
    webhook_allowed_hosts: str = Field(
        "", description="Development: host:port pairs, comma-separated, that webhooks may reach."
    )
    webhook_refused_networks: Annotated[str, AfterValidator(_checked_networks)] = Field(
        "", description="The cluster's own ranges, comma-separated; webhooks never go there."
    )

    def pepper(self) -> bytes:
        """Raises `ValueError` where there is none."""
        if self.key_pepper is None:
            raise ValueError("KEY_PEPPER is not set")
        return bytes.fromhex(self.key_pepper.get_secret_value())

    def webhook_secret(self) -> bytes:
        return self._own_or_derived(self.webhook_key, "imagerift webhook secrets")

    def egress(self) -> Egress:
        """What vets the addresses that customers name."""
        return Egress(
            allowed_hosts=frozenset(part.lower() for part in _listed(self.webhook_allowed_hosts)),
            refused_networks=[
                ipaddress.ip_network(part) for part in _listed(self.webhook_refused_networks)
            ],
        )

    def _own_or_derived(self, own: SecretStr | None, purpose: str) -> bytes:
        secret = bytes.fromhex(own.get_secret_value()) if own else self.pepper()
        return derived_key(secret, purpose)
