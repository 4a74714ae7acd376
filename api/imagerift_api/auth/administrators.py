"""Who runs the installation: from the administrators' token to an actor of the account log."""

from __future__ import annotations

import hmac

from aiohttp import web
from imagerift_core.errors import InvalidAdminToken
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor
from pydantic import SecretStr

from imagerift_api.auth.address_limit import AddressLimit


class MissingAdminToken(InvalidAdminToken):
    """No credentials came at all: RFC 6750 wants a challenge that names no error."""


class Administrators:
    """Lets in whoever has the installation's token for administrators; nobody where it has none.

    It opens nothing but the admin REST API, and nothing else opens that.
    """

    def __init__(self, token: SecretStr | None, *, limit: AddressLimit) -> None:
        self._token = token.get_secret_value().encode() if token else None
        self._limit = limit

    def authenticate(self, authorization: str | None, *, address: str | None) -> Actor:
        """Who acts by an `Authorization` header in a request from `address`.

        Raises `MissingAdminToken`, `InvalidAdminToken`, or `RateLimited` for an address that
        tries wrong ones.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise MissingAdminToken("Send the administrators' token as 'Authorization: Bearer …'.")
        self._limit.check(address)
        # A header may hold bytes that are no text; no token does.
        given = token.strip().encode(errors="replace")
        if self._token is None or not hmac.compare_digest(given, self._token):
            self._limit.count(address)
            raise InvalidAdminToken("This is not the administrators' token of this installation.")
        return ADMIN_COMMAND.model_copy(update={"address": address})


ADMINISTRATOR = web.RequestKey("administrator", Actor)
ADMINISTRATORS = web.AppKey("administrators", Administrators)
