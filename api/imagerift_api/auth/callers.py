"""Who calls an operation: identified, counted and checked by what the operation declares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal

from aiohttp import hdrs, web
from imagerift_core import clock
from imagerift_core.api_keys import Scope
from imagerift_core.errors import ApiAccessLocked, CapacityUnavailable, DomainError, RateLimited
from imagerift_core.mongo.rate_limit import RateWindow, RateWindowStore
from imagerift_core.roles import Permission, scopes_of

from imagerift_api.auth.administrators import ADMINISTRATOR, ADMINISTRATORS
from imagerift_api.auth.keys import AUTHENTICATOR, CALLER, Caller
from imagerift_api.auth.sessions import SESSIONS, SIGNED_IN, SignedIn
from imagerift_api.debounced_writer import DebouncedWriter
from imagerift_api.settings import SETTINGS

Access = Literal["key", "session", "either", "admin", "open"]
# Counts a request of a subject, of which so many a minute are let through.
Count = Callable[[web.Request, str, int], Awaitable[RateWindow]]

RATE_WINDOW = web.RequestKey("rate_window", RateWindow)
RATE_WINDOWS = web.AppKey("rate_windows", RateWindowStore)
# When keys were last used.
KEY_USAGE: web.AppKey[DebouncedWriter[datetime]] = web.AppKey("key_usage", DebouncedWriter)
_JOB_SCOPES: frozenset[Scope | None] = frozenset(
    {"jobs:write", "jobs:read", "jobs:cancel", "uploads:write"}
)


async def count_request(request: web.Request, subject: str, limit: int) -> RateWindow:
    """Counts the request."""
    return await request.app[RATE_WINDOWS].count(subject, limit=limit, at=clock.now())


async def authorize(
    request: web.Request,
    *,
    access: Access,
    scope: Scope | None,
    permission: Permission | None,
    count: Count | None,
) -> None:
    """Lets the request pass, or raises the 401, 403 and 429 errors.

    Afterwards the request has its `CALLER`, where only a session will do its `SIGNED_IN`, and
    where only the administrators' token will, its `ADMINISTRATOR`. Every request with a valid
    credential counts, refused or not.
    """
    if access == "open":
        return
    if access == "admin":
        await _authorize_administrator(request, count)
    elif access == "session":
        await _authorize_session(request, permission, count)
    else:
        await _authorize_caller(request, access, scope, count)


async def is_still_authorized(request: web.Request, access: Access, scope: Scope | None) -> bool:
    """Whether a request that a key or either may make would be authorized now; nothing is counted.

    Where that cannot be found out for the moment, it stays authorized.
    """
    try:
        caller = await _authenticated(request, access)
        _check(caller, scope)
    except (CapacityUnavailable, RateLimited):
        return True
    except DomainError:
        return False
    return caller.workspace == request[CALLER].workspace


async def _authorize_administrator(request: web.Request, count: Count | None) -> None:
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    address = request.app[SESSIONS].address_of(request)
    administrators = request.app[ADMINISTRATORS]
    request[ADMINISTRATOR] = await administrators.authenticate(authorization, address=address)
    if count is not None:
        limit = request.app[SETTINGS].admin_requests_per_minute
        _refuse_exceeded(await count(request, "administrators", limit))


async def _authorize_session(
    request: web.Request, permission: Permission | None, count: Count | None
) -> None:
    signed_in = await request.app[SESSIONS].signed_in(request)
    request[SIGNED_IN] = signed_in
    if count is not None:
        subject, limit = _account_window(request, signed_in.person.id)
        _refuse_exceeded(await count(request, subject, limit))
    if permission is not None:
        signed_in.require(permission)


async def _authorize_caller(
    request: web.Request, access: Access, scope: Scope | None, count: Count | None
) -> None:
    caller = await _authenticated(request, access)
    request[CALLER] = caller
    if caller.key_id is not None:
        request.app[KEY_USAGE].record(caller.key_id, clock.now())
    if count is not None:
        window = await count(request, *_counted_against(request, caller, scope))
        request[RATE_WINDOW] = window
        _refuse_exceeded(window)
    _check(caller, scope)


def _refuse_exceeded(window: RateWindow) -> None:
    if window.exceeded:
        raise RateLimited(limit=window.limit, retry_after_seconds=window.resets_in_seconds)


def _check(caller: Caller, scope: Scope | None) -> None:
    caller.require_access()
    if scope is not None:
        caller.require_scope(scope)


async def _authenticated(request: web.Request, access: Access) -> Caller:
    """The caller by an API key or, where that is enough and no key came, by a session."""
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    sessions = request.app[SESSIONS]
    if access == "either" and authorization is None and sessions.token_of(request) is not None:
        return _caller_of(await sessions.signed_in(request))
    address = sessions.address_of(request)
    return await request.app[AUTHENTICATOR].authenticate(authorization, address=address)


def _caller_of(signed_in: SignedIn) -> Caller:
    if signed_in.plan is None:
        raise ApiAccessLocked(f"The plan '{signed_in.workspace.plan}' is not offered here.")
    return Caller(
        workspace=signed_in.workspace.id,
        key_id=None,
        plan_name=signed_in.workspace.plan,
        plan=signed_in.plan,
        scopes=scopes_of(signed_in.member.role),
        person=signed_in.person.id,
        name=signed_in.person.name,
        role=signed_in.member.role,
    )


def _counted_against(request: web.Request, caller: Caller, scope: Scope | None) -> tuple[str, int]:
    """Whose window a request counts in, and its limit.

    What people do on the pages never uses up what programs may do: jobs under sessions have a
    window of the same size to themselves, and the rest of the pages counts as account requests.
    """
    if caller.person is None:
        return caller.workspace, caller.plan.requests_per_minute
    if scope in _JOB_SCOPES:
        return f"session:{caller.workspace}", caller.plan.requests_per_minute
    return _account_window(request, caller.person)


def _account_window(request: web.Request, person_id: str) -> tuple[str, int]:
    settings = request.app[SETTINGS]
    return f"account:{person_id}", settings.account_requests_per_minute
