"""The built-in issuer: names and argon2 hashes in a file, for installations without OIDC."""

from __future__ import annotations

import asyncio
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from imagerift_core import clock
from imagerift_core.errors import RateLimited, SignInFailed
from imagerift_core.mongo.rate_limit import RateWindowStore
from pydantic import TypeAdapter

from imagerift_api.sign_in.oidc import Identity

ISSUER = "imagerift-built-in"
_MAX_PASSWORD_CHARACTERS = 256
_CHECKS_AT_ONCE = 2


class BuiltInIssuer:
    """Checks passwords; slowly on purpose, and only a few times a minute."""

    def __init__(
        self, windows: RateWindowStore, users_file: Path, *, tries_per_minute: int
    ) -> None:
        self._windows = windows
        self._tries_per_minute = tries_per_minute
        self._hashes = TypeAdapter(dict[str, str]).validate_json(users_file.read_text())
        self._hasher = PasswordHasher()
        # Unknown names are checked against this, so that they take as long as known ones.
        self._decoy = self._hasher.hash("no password")
        self._room = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def check(self, name: str, password: str, *, address: str | None) -> Identity:
        """Raises `SignInFailed`, or `RateLimited` after too many tries in a minute."""
        known = self._hashes.get(name)
        # Names that do not exist share one window, so that nobody fills the store with them.
        tried = [f"sign-in:name:{name if known else ''}", f"sign-in:from:{address}"]
        for subject in tried:
            window = await self._windows.count(
                subject, limit=self._tries_per_minute, at=clock.now()
            )
            if window.exceeded:
                raise RateLimited(limit=window.limit, retry_after_seconds=window.resets_in_seconds)
        async with self._room:
            right = await asyncio.to_thread(self._matches, known or self._decoy, password)
        if not right or known is None:
            raise SignInFailed("Name or password is wrong.")
        return Identity(ISSUER, name, name)

    def _matches(self, hashed: str, password: str) -> bool:
        if len(password) > _MAX_PASSWORD_CHARACTERS:
            return False
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False
