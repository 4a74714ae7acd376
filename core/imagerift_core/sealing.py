"""Secrets at rest: AES-256-GCM under a key of the installation's."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealBroken(Exception):
    """What was stored was changed, moved to another place, or sealed under another key."""


def derived_key(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key of its own for `purpose` (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose.encode()).derive(
        secret
    )


class Sealer:
    """Seals texts. `context` says whose secret it is: a text opens in that one alone.

    `key` has 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, text: str, *, context: str) -> bytes:
        """Returns the nonce and the encrypted text, which `open` takes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, *, context: str) -> str:
        """Returns the text. Raises `SealBroken` where it was sealed otherwise or was changed."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, context.encode()).decode()
        except (InvalidTag, ValueError):
            raise SealBroken("a stored secret cannot be opened") from None
