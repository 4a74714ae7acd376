"""A sign-in at an issuer, between its beginning and its end: in the browser's cookie alone.

Nothing is stored for it: whoever begins one and never comes back has cost nothing.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import datetime, timedelta

from imagerift_core import clock
from imagerift_core.sealing import SealBroken, Sealer
from pydantic import BaseModel, ConfigDict

MINUTES = 10
_CONTEXT = "sign-in under way"


class SignInUnderWay(BaseModel):
    """What the callback of a sign-in is held to: the state, the nonce and the PKCE verifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: str
    nonce: str
    verifier: str
    expires_at: datetime

    @classmethod
    def begun(cls) -> SignInUnderWay:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        expires_at = clock.now() + timedelta(minutes=MINUTES)
        return cls(state=state, nonce=nonce, verifier=verifier, expires_at=expires_at)


class SignInCookies:
    """Sealed, so that a browser can neither read nor make one. `key` has 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(key)

    def seal(self, sign_in: SignInUnderWay) -> str:
        sealed = self._sealer.seal(sign_in.model_dump_json(), context=_CONTEXT)
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, cookie: str | None) -> SignInUnderWay | None:
        """None for what was not sealed here, and for what took too long."""
        try:
            # A cookie may hold any byte; this is how the framework keeps what is no text.
            sealed = base64.urlsafe_b64decode((cookie or "").encode(errors="surrogateescape"))
            text = self._sealer.open(sealed, context=_CONTEXT)
        except (binascii.Error, SealBroken):
            return None
        sign_in = SignInUnderWay.model_validate_json(text)
        return sign_in if clock.now() < sign_in.expires_at else None
