"""Who is calling: from a bearer token to a workspace, its plan and the key's scopes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from cachetools import LRUCache
from imagerift_core import clock
from imagerift_core.api_keys import Scope, key_id_of, token_matches
from imagerift_core.errors import (
    ApiAccessLocked,
    ExpiredApiKey,
    InsufficientScope,
    InvalidApiKey,
    RevokedApiKey,
)
from imagerift_core.mongo import Stores
from imagerift_core.mongo.keys import ApiKey
from imagerift_core.mongo.members import Member
from imagerift_core.mongo.people import Person
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.plans import Plan, Plans
from imagerift_core.roles import Role, scopes_of

from imagerift_api.auth.address_limit import AddressLimit

# A revoked key must stop within 5 s on every replica; this leaves time for a slow look-up.
CACHE_SECONDS = 3.0
_CACHED_KEYS = 10_000
_NOT_VALID = "The API key is not valid."


class MissingApiKey(InvalidApiKey):
    """No credentials came at all: RFC 6750 wants a challenge that names no error."""


@dataclass(frozen=True)
class Caller:
    """Whoever a valid token or an account session belongs to; one of `key_id`, `person` is set.

    `scopes` is what this request may use: of a key, those that `role` permits too. `role` is the
    present one of the person signed in or behind the key; None for a key of the operator's.
    """

    workspace: str
    key_id: str | None
    plan_name: str
    plan: Plan
    scopes: frozenset[str]
    person: str | None = None
    name: str = ""
    role: Role | None = None

    def require_access(self) -> None:
        """Raises `ApiAccessLocked` where the plan has no API; existing keys stop working too.

        The pages of this installation work on every plan, so sessions are not locked.
        """
        if self.person is None and not self.plan.api_access:
            raise ApiAccessLocked(f"The plan '{self.plan_name}' has no API access.")

    def require_scope(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise InsufficientScope(scope, role=self._role_without(scope))

    def _role_without(self, scope: Scope) -> Role | None:
        return self.role if self.role and scope not in scopes_of(self.role) else None


@dataclass(frozen=True)
class _Known:
    """A key with its workspace, its person and their membership there, as MongoDB had them at
    `read_at` (monotonic seconds)."""

    key: ApiKey
    workspace: Workspace
    member: Member | None
    person: Person | None
    read_at: float

    def require_member(self) -> Role | None:
        """The present role of the key's person; None for a key of the operator's.

        Raises `RevokedApiKey` where the person is no member any more, or `AccountSuspended`.
        """
        if self.key.created_by is None:
            return None
        if self.member is None:
            raise RevokedApiKey("The person who made the API key has left the workspace.")
        if self.person is not None:
            self.person.require_not_suspended()
        return self.member.role


class Authenticator:
    """Checks tokens against MongoDB, remembering what it read for a few seconds."""

    def __init__(
        self,
        stores: Stores,
        plans: Plans,
        pepper: bytes,
        *,
        limit: AddressLimit,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = stores.keys
        self._workspaces = stores.workspaces
        self._members = stores.members
        self._people = stores.people
        self._plans = plans
        self._pepper = pepper
        self._limit = limit
        self._monotonic = monotonic
        self._known: LRUCache[str, _Known] = LRUCache(_CACHED_KEYS)
        self._reading: dict[str, asyncio.Task[_Known | None]] = {}

    async def authenticate(self, authorization: str | None, *, address: str | None) -> Caller:
        """The caller of an `Authorization` header in a request from `address`.

        Raises `MissingApiKey`, `InvalidApiKey`, `RevokedApiKey`, `ExpiredApiKey`,
        `AccountSuspended`, `RateLimited` for an address that tries unknown ones, or
        `CapacityUnavailable` where the key cannot be looked up.
        """
        token = _bearer_token(authorization)
        key_id = key_id_of(token)
        if key_id is None:
            raise InvalidApiKey("The API key is not well formed; it may have been cut or mistyped.")
        if key_id not in self._known:
            self._limit.check(address)
        known = await self._look_up(key_id)
        if known is None:
            self._limit.count(address)
        if known is None or not self._is_token_of(token, known.key):
            raise InvalidApiKey(_NOT_VALID)
        if known.key.revoked_at is not None:
            raise RevokedApiKey("The API key was revoked.")
        if known.key.expires_at is not None and known.key.expires_at <= clock.now():
            raise ExpiredApiKey("The API key has expired.")
        role = known.require_member()
        known.workspace.require_not_suspended()
        plan = self._plans.get(known.workspace.plan)
        if plan is None:
            raise ApiAccessLocked(f"The plan '{known.workspace.plan}' is not offered here.")
        return Caller(
            workspace=known.workspace.id,
            key_id=key_id,
            plan_name=known.workspace.plan,
            plan=plan,
            scopes=known.key.scopes_under(role),
            name=known.key.name,
            role=role,
        )

    def _is_token_of(self, token: str, key: ApiKey) -> bool:
        if token_matches(token, self._pepper, key.token_hash):
            return True
        if key.previous_hash is None or key.previous_until is None:
            return False
        if not token_matches(token, self._pepper, key.previous_hash):
            return False
        if key.previous_until <= clock.now():
            raise ExpiredApiKey("The API key was rotated; use its new token.")
        return True

    async def _look_up(self, key_id: str) -> _Known | None:
        known = self._known.get(key_id)
        if known is not None and self._monotonic() - known.read_at < CACHE_SECONDS:
            return known
        # Requests that come together share one look-up.
        task = self._reading.get(key_id)
        if task is None:
            task = asyncio.create_task(self._read(key_id))
            self._reading[key_id] = task
            task.add_done_callback(lambda _done: self._reading.pop(key_id, None))
        return await asyncio.shield(task)

    async def _read(self, key_id: str) -> _Known | None:
        # The age counts from before the read: what it returns may be that old already.
        read_at = self._monotonic()
        key = await self._keys.get(key_id)
        if key is None:
            self._known.pop(key_id, None)
            return None
        workspace, member, person = await asyncio.gather(
            self._workspaces.get(key.workspace),
            self._members.get(key.workspace, key.created_by or ""),
            self._people.get(key.created_by or ""),
        )
        if workspace is None:
            self._known.pop(key_id, None)
            return None
        known = _Known(key, workspace, member, person, read_at)
        self._known[key_id] = known
        return known


CALLER = web.RequestKey("caller", Caller)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)


def _bearer_token(authorization: str | None) -> str:
    if authorization is None:
        raise MissingApiKey("Send the API key as 'Authorization: Bearer YOUR_API_KEY'.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise MissingApiKey("Send the API key as 'Authorization: Bearer YOUR_API_KEY'.")
    return token.strip()
