"""The built-in issuer: names and argon2 hashes in a file, for installations without OIDC."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from imagerift_core import clock
from imagerift_core.errors import RateLimited, SignInFailed
from imagerift_core.mongo.rate_limit import RateWindowStore
from pydantic import TypeAdapter

from imagerift_api.auth.address_limit import client_network
from imagerift_api.sign_in.devices import KnownDevices
from imagerift_api.sign_in.oidc import Identity

ISSUER = "imagerift-built-in"
_MAX_PASSWORD_CHARACTERS = 256
_CHECKS_AT_ONCE = 2
# Of one name from everywhere, and from one address for all names, to what one name may from one.
_WIDER = 10


@dataclass(frozen=True)
class Visitor:
    """Where a password comes from: the network address, and the browser's device cookie."""

    address: str | None
    device: str | None


class BuiltInIssuer:
    """Checks passwords; slowly on purpose, and only a few wrong ones a minute.

    Right ones do not count. A name's windows are apart by where the tries come from, so that
    nobody can use up those of somebody who has signed in before.
    """

    def __init__(
        self,
        windows: RateWindowStore,
        users_file: Path,
        devices: KnownDevices,
        *,
        tries_per_minute: int,
    ) -> None:
        self._windows = windows
        self._devices = devices
        self._tries_per_minute = tries_per_minute
        self._hashes = TypeAdapter(dict[str, str]).validate_json(users_file.read_text())
        self._hasher = PasswordHasher()
        # Unknown names are checked against this, so that they take as long as known ones.
        self._decoy = self._hasher.hash("no password")
        self._room = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def check(self, name: str, password: str, visitor: Visitor) -> Identity:
        """Raises `SignInFailed`, or `RateLimited` after too many wrong tries in a minute."""
        known = self._hashes.get(name)
        at = clock.now()
        counted = self._subjects(name if known else "", visitor)
        for subject, limit in counted.items():
            await self._count(subject, limit, at)
        async with self._room:
            right = await asyncio.to_thread(self._matches, known or self._decoy, password)
        if not right or known is None:
            raise SignInFailed("Name or password is wrong.")
        await asyncio.gather(*(self._windows.give_back(subject, at=at) for subject in counted))
        return Identity(ISSUER, name, name, may_sign_up=True)

    def _subjects(self, name: str, visitor: Visitor) -> dict[str, int]:
        """What a try counts in, narrowest first, and the limit of each.

        Names that do not exist share one, so that nobody fills the store with them. What the first
        one refuses does not count in the others.
        """
        tries = self._tries_per_minute
        device = self._devices.read(visitor.device, name)
        if device is not None:
            return {f"sign-in:device:{device}": tries}
        network = client_network(visitor.address)
        return {
            f"sign-in:name-from:{network}:{name}": tries,
            f"sign-in:from:{network}": tries * _WIDER,
            f"sign-in:name:{name}": tries * _WIDER,
        }

    async def _count(self, subject: str, limit: int, at: datetime) -> None:
        window = await self._windows.count(subject, limit=limit, at=at)
        if window.exceeded:
            raise RateLimited(limit=limit, retry_after_seconds=window.resets_in_seconds)

    def _matches(self, hashed: str, password: str) -> bool:
        if len(password) > _MAX_PASSWORD_CHARACTERS:
            return False
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False
