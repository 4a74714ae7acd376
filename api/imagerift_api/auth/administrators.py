"""Who runs the installation: from an administrators' token to an actor of the account log."""

from __future__ import annotations

import hmac

from aiohttp import web
from imagerift_core import clock
from imagerift_core.api_keys import key_id_of, token_matches
from imagerift_core.errors import InvalidAdminToken
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor
from imagerift_core.mongo.administrators import Administrator, AdministratorStore
from pydantic import SecretStr

from imagerift_api.auth.address_limit import AddressLimit


class MissingAdminToken(InvalidAdminToken):
    """No credentials came at all: RFC 6750 wants a challenge that names no error."""


class Administrators:
    """Lets in whoever has the installation's token for administrators, or one of their own; nobody
    where there is none.

    Neither opens anything but the admin REST API, and nothing else opens that.
    """

    def __init__(
        self,
        token: SecretStr | None,
        administrators: AdministratorStore,
        pepper: bytes,
        *,
        limit: AddressLimit,
    ) -> None:
        self._token = token.get_secret_value().encode() if token else None
        self._administrators = administrators
        self._pepper = pepper
        self._limit = limit

    async def authenticate(self, authorization: str | None, *, address: str | None) -> Actor:
        """Who acts by an `Authorization` header in a request from `address`.

        A token of an administrator's own is looked up each time: revoked, it opens nothing more.

        Raises `MissingAdminToken`, `InvalidAdminToken`, `RateLimited` for an address that tries
        wrong ones, or `CapacityUnavailable`.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise MissingAdminToken("Send an administrators' token as 'Authorization: Bearer …'.")
        self._limit.check(address)
        # A header may hold bytes that are no text; no token does.
        given = token.strip().encode(errors="replace")
        if self._token is not None and hmac.compare_digest(given, self._token):
            return ADMIN_COMMAND.model_copy(update={"address": address})
        known = await self._named(given.decode())
        if known is None:
            self._limit.count(address)
            raise InvalidAdminToken("This is no administrators' token of this installation.")
        if known.revoked_at is not None or _is_over(known):
            raise InvalidAdminToken("This administrator's token was revoked, or has expired.")
        return Actor(
            kind="operator",
            id=known.id,
            name=f"{ADMIN_COMMAND.name} ({known.name})",
            address=address,
        )

    async def _named(self, token: str) -> Administrator | None:
        """Whose token it is."""
        identifier = key_id_of(token)
        known = await self._administrators.get(identifier) if identifier else None
        if known is None or not token_matches(token, self._pepper, known.token_hash):
            return None
        return known


def _is_over(known: Administrator) -> bool:
    return known.expires_at is not None and known.expires_at <= clock.now()


ADMINISTRATOR = web.RequestKey("administrator", Actor)
ADMINISTRATORS = web.AppKey("administrators", Administrators)
