"""Browsers in which somebody has signed in by password before.

Wrong passwords from elsewhere never use up what such a browser may try: nobody locks others out.
Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from aiohttp import web

_VERSION = "1"
_NONCE_BYTES = 16
COOKIE_SECONDS = 180 * 24 * 3600


class KnownDevices:
    """Issues and reads the cookie's value. `key` has at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, name: str) -> str:
        """A value that says: somebody knew the password of `name` in this browser."""
        nonce = secrets.token_hex(_NONCE_BYTES)
        return f"{_VERSION}.{nonce}.{self._signature(nonce, name)}"

    def read(self, value: str | None, name: str) -> str | None:
        """The device's own id; None for what was not issued here, or for another name."""
        version, _, rest = (value or "").partition(".")
        nonce, _, signature = rest.partition(".")
        expected = self._signature(nonce, name)
        # A cookie may hold any byte; this is how the framework keeps what is no text.
        received = signature.encode(errors="surrogateescape")
        if version != _VERSION or not hmac.compare_digest(expected.encode(), received):
            return None
        return nonce

    def _signature(self, nonce: str, name: str) -> str:
        message = f"{_VERSION}\0{nonce}\0{name}".encode(errors="surrogateescape")
        return hmac.new(self._key, b"device:" + message, hashlib.sha256).hexdigest()


KNOWN_DEVICES = web.AppKey("known_devices", KnownDevices)
