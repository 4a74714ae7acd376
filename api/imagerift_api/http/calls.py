"""What the handler of an operation gets: the call, and a body that it reads itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic

from aiohttp import web
from imagerift_core.api_keys import Scope
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.rate_limit import RateWindow

from imagerift_api.auth.administrators import ADMINISTRATOR
from imagerift_api.auth.callers import RATE_WINDOW, Access, is_still_authorized
from imagerift_api.auth.keys import CALLER, Caller
from imagerift_api.auth.sessions import SESSIONS, SIGNED_IN, SignedIn
from imagerift_api.http.body_reading import BODY_BUDGET, read_json
from imagerift_api.http.requests import Body, parse_body
from imagerift_api.http.requests_in_flight import REQUESTS_IN_FLIGHT

REQUEST_ID = web.RequestKey("request_id", str)


@dataclass(frozen=True)
class Call:
    """One authorized call of an operation."""

    request: web.Request
    access: Access
    scope: Scope | None

    @property
    def app(self) -> web.Application:
        """What holds the services, each under the key beside its type."""
        return self.request.app

    @property
    def request_id(self) -> str:
        return self.request[REQUEST_ID]

    @property
    def caller(self) -> Caller:
        """Who calls, where an API key may."""
        return self.request[CALLER]

    @property
    def signed_in(self) -> SignedIn:
        """Who calls, where only a session may."""
        return self.request[SIGNED_IN]

    @property
    def administrator(self) -> Actor:
        """Who calls, for the account's log; where only the administrators' token may."""
        return self.request[ADMINISTRATOR]

    @property
    def actor(self) -> Actor:
        """Who calls, for the account's log; where an API key may."""
        caller, address = self.caller, self.app[SESSIONS].address_of(self.request)
        if caller.person is not None:
            return Actor(kind="person", id=caller.person, name=caller.name, address=address)
        return Actor(kind="key", id=caller.key_id or "", name=caller.name, address=address)

    @property
    def rate_window(self) -> RateWindow:
        """Where the caller stands, with this call counted; where an API key may call."""
        return self.request[RATE_WINDOW]

    async def may_continue(self) -> bool:
        """Whether the client is still there, this process is not being stopped, and the call
        would be authorized now."""
        transport = self.request.transport
        if transport is None or transport.is_closing():
            return False
        if self.app[REQUESTS_IN_FLIGHT].draining:
            return False
        return await is_still_authorized(self.request, self.access, self.scope)


class PendingBody(Generic[Body]):
    """A body not yet read, for a handler that has something to do before or long after it."""

    def __init__(self, request: web.Request, model: type[Body], *, limit: int) -> None:
        self._request = request
        self._limit = limit
        self._model = model

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Body]:
        """The body; it has room in memory for as long as the context is open.

        Raises `PayloadTooLarge`, `RequestTimedOut`, `CapacityUnavailable` or `InvalidRequest`.
        """
        budget = self._request.app[BODY_BUDGET]
        async with budget.acquire(self._request, workspace=self._workspace, limit=self._limit):
            yield parse_body(self._model, await read_json(self._request, limit=self._limit))

    @property
    def _workspace(self) -> str:
        """Whose body it is; of operations that anybody may call, nobody's."""
        if CALLER in self._request:
            return self._request[CALLER].workspace
        return self._request[SIGNED_IN].workspace.id if SIGNED_IN in self._request else ""
