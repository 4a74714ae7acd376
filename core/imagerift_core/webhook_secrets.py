"""Secrets that sign webhooks: made here, sealed at rest, opened to sign."""

from __future__ import annotations

import base64
import secrets

from imagerift_core.sealing import Sealer

_SECRET_BYTES = 32


class WebhookSecrets:
    """Makes, seals and opens `whsec_…` secrets. The context is the webhook's or workspace's id."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def make(self) -> str:
        return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()

    def seal(self, secret: str, owner: str) -> bytes:
        return self._sealer.seal(secret, context=f"webhook:{owner}")

    def open(self, sealed: bytes, owner: str) -> str:
        """Raises `SealBroken`."""
        return self._sealer.open(sealed, context=f"webhook:{owner}")
