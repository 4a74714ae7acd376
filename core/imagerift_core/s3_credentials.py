"""What the bucket's signatures are made with: keys of the settings, or what the cloud gives.

Without keys botocore's own chain looks: a web identity (IRSA), the agent of a container (EKS Pod
Identity), and what else every AWS program knows. What it finds ends after an hour or so and is
renewed in time, in a thread: signing itself never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.session
import structlog
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.settings import SharedSettings

log = structlog.get_logger(__name__)

# botocore renews what has less than 15 minutes left, when it is asked.
RENEW_SECONDS = 30.0
RETRY_SECONDS = 5.0
_TROUBLE = (BotoCoreError, ClientError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class _Held:
    keys: ReadOnlyCredentials
    # None: they do not end.
    expires_at: datetime | None

    @property
    def seconds_left(self) -> int | None:
        if self.expires_at is None:
            return None
        return int((self.expires_at - now()).total_seconds())


class SigningCredentials(Credentials):
    """Credentials as they are now, for our signatures and for botocore's clients alike."""

    def __init__(self) -> None:
        super().__init__("", "")
        self._held: _Held | None = None

    @classmethod
    def fixed(cls, access_key: str, secret_key: str) -> SigningCredentials:
        """Keys that do not end."""
        made = cls()
        made.hold(Credentials(access_key, secret_key))
        return made

    def hold(self, found: Credentials) -> None:
        """Takes what the chain found; may call the cloud, and then blocks."""
        keys = found.get_frozen_credentials()
        # Nothing public tells it.
        self._held = _Held(keys, vars(found).get("_expiry_time"))

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """What to sign with now. Raises `CapacityUnavailable` where there is nothing."""
        return self._current().keys

    def lifetime(self, seconds: int) -> int:
        """How many of `seconds` something holds that is signed now; at least one.

        Raises `CapacityUnavailable` where there are no credentials, or they have ended.
        """
        left = self._current().seconds_left
        return seconds if left is None else min(seconds, left)

    def _current(self) -> _Held:
        if self._held is None:
            raise CapacityUnavailable("The object store's credentials are not to be had.")
        left = self._held.seconds_left
        if left is not None and left < 1:
            raise CapacityUnavailable("The object store's credentials have ended.")
        return self._held


class _Chain:
    """botocore's chain of providers, whose finding is renewed."""

    def __init__(self, region: str) -> None:
        self._session = botocore.session.get_session()
        # Where the token service is asked.
        self._session.set_config_variable("region", region)

    def find(self) -> Credentials:
        """Blocks. Raises an error of `_TROUBLE` where nobody gives any."""
        found = self._session.get_credentials()
        if found is None:
            raise ValueError("no provider has any credentials")
        if isinstance(found, RefreshableCredentials):
            # As all else, by the clock that the stores go by.
            vars(found)["_time_fetcher"] = now
        return found


@asynccontextmanager
async def open_credentials(settings: SharedSettings) -> AsyncIterator[SigningCredentials]:
    """The settings' keys, or the chain's, which are renewed until the end."""
    access, secret = settings.s3_access_key, settings.s3_secret_key
    if access is not None and secret is not None:
        yield SigningCredentials.fixed(access.get_secret_value(), secret.get_secret_value())
        return
    chain, credentials = _Chain(settings.s3_region), SigningCredentials()
    await _renewed(chain, credentials)
    renewing = asyncio.create_task(_keep_renewed(chain, credentials), name="s3-credentials")
    try:
        yield credentials
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing


async def found_credentials(region: str) -> SigningCredentials | None:
    """What the chain finds now, for as long as it holds; None where nobody gives any."""
    credentials = SigningCredentials()
    return credentials if await _renewed(_Chain(region), credentials) else None


async def _keep_renewed(chain: _Chain, credentials: SigningCredentials) -> None:
    good = True
    while True:
        await asyncio.sleep(RENEW_SECONDS if good else RETRY_SECONDS)
        good = await _renewed(chain, credentials)


async def _renewed(chain: _Chain, credentials: SigningCredentials) -> bool:
    """Whether there was something to hold; what was held before stays where there was not."""
    try:
        await asyncio.to_thread(lambda: credentials.hold(chain.find()))
    except _TROUBLE as error:
        log.warning("s3_credentials_not_renewed", error=type(error).__name__)
        return False
    return True


def session_with(credentials: SigningCredentials) -> Any:
    """A session of botocore whose clients sign with these."""
    session = botocore.session.Session()
    session.register_component("credential_provider", _Given(credentials))
    return session


@dataclass(frozen=True)
class _Given:
    credentials: SigningCredentials

    def load_credentials(self) -> SigningCredentials:
        return self.credentials
