"""Tokens of API keys and of administrators: a prefix + 16 characters of id + 32 of secret + 6 of
checksum.

The checksum (CRC-32 in base 62) tells a typo from a revoked key without a look-up, and lets
secret scanners confirm a find offline. Only a keyed hash of the token is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from imagerift_core.ids import BASE62, random_base62

PREFIX = "ir_live_"
ID_LENGTH = 16
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
# Of what people call a key or a workspace, in characters.
MAX_NAME = 100
# By the prefix of their ids, that of their tokens.
_TOKENS = {"key": PREFIX, "adm": "ir_admin_"}
_ID_OF = {prefix: kind for kind, prefix in _TOKENS.items()}
_PATTERN = re.compile(
    rf"({'|'.join(_ID_OF)})([0-9A-Za-z]{{{ID_LENGTH}}})([0-9A-Za-z]{{{SECRET_LENGTH}}})"
    rf"([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)

Scope = Literal[
    "jobs:read", "jobs:write", "jobs:cancel", "uploads:write", "usage:read", "webhooks:manage"
]
ALL_SCOPES: tuple[Scope, ...] = (
    "jobs:read",
    "jobs:write",
    "jobs:cancel",
    "uploads:write",
    "usage:read",
    "webhooks:manage",
)


def ordered_scopes(scopes: Collection[str]) -> list[Scope]:
    """The scopes among these names, in the order of `ALL_SCOPES`."""
    return [scope for scope in ALL_SCOPES if scope in scopes]


@dataclass(frozen=True)
class NewApiKey:
    """A new key with its whole token, which is shown to its owner once and never stored."""

    key_id: str
    token: str
    prefix: str
    last_four: str


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, len(BASE62))
        digits = BASE62[digit] + digits
    return digits


def new_api_key() -> NewApiKey:
    return new_token_of(f"key_{random_base62(ID_LENGTH)}")


def new_administrator_token() -> NewApiKey:
    """As of a key, under an id of an administrator's."""
    return new_token_of(f"adm_{random_base62(ID_LENGTH)}")


def new_token_of(key_id: str) -> NewApiKey:
    """A token with a new secret for the key, or the administrator, of this id."""
    kind, _, identifier = key_id.rpartition("_")
    # What is no id of ours has no key either, and is told so by whoever looks it up.
    prefix = _TOKENS.get(kind, PREFIX)
    body = prefix + identifier + random_base62(SECRET_LENGTH)
    token = body + _checksum(body)
    return NewApiKey(
        key_id=key_id,
        token=token,
        prefix=prefix + identifier[:4],
        last_four=token[-4:],
    )


def key_id_of(token: str) -> str | None:
    """The id inside a well-formed token with a right checksum, else None."""
    match = _PATTERN.fullmatch(token)
    if match is None:
        return None
    body = token[:-CHECKSUM_LENGTH]
    if not hmac.compare_digest(_checksum(body), match[4]):
        return None
    return f"{_ID_OF[match[1]]}_{match[2]}"


def hash_token(token: str, pepper: bytes) -> str:
    """HMAC-SHA256 of the token under the installation's pepper, in hex."""
    return hmac.new(pepper, token.encode(), hashlib.sha256).hexdigest()


def token_matches(token: str, pepper: bytes, stored_hash: str) -> bool:
    return hmac.compare_digest(hash_token(token, pepper), stored_hash)
