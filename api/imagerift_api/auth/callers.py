"""Who calls an operation: identified, counted and checked by what the operation declares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import hdrs, web
from imagerift_core import clock
from imagerift_core.api_keys import Scope
from imagerift_core.errors import ApiAccessLocked, CapacityUnavailable, DomainError, RateLimited
from imagerift_core.mongo.polls import Poll
from imagerift_core.mongo.rate_limit import RateWindow
from imagerift_core.roles import Permission, scopes_of

from imagerift_api import app_keys
from imagerift_api.auth.keys import Caller
from imagerift_api.auth.sessions import COOKIE, SignedIn

Access = Literal["key", "session", "either", "open"]
# Counts a request of a subject, of which so many a minute are let through.
Count = Callable[[web.Request, str, int], Awaitable[RateWindow]]

_JOB_SCOPES: frozenset[Scope | None] = frozenset(
    {"jobs:write", "jobs:read", "jobs:cancel", "uploads:write"}
)


async def count_request(request: web.Request, subject: str, limit: int) -> RateWindow:
    """Counts the request."""
    windows = request.app[app_keys.CONTEXT].stores.rate_windows
    return await windows.count(subject, limit=limit, at=clock.now())


async def count_and_read_job(request: web.Request, subject: str, limit: int) -> RateWindow:
    """Counts the request and, in the same trip, reads the job of its path as `POLLED_JOB`."""
    job_id, workspace = request.match_info["job_id"], request[app_keys.CALLER].workspace
    poll = Poll(subject, limit, clock.now(), job_id, workspace)
    polls = request.app[app_keys.CONTEXT].stores.polls
    window, request[app_keys.POLLED_JOB] = await polls.count_and_read(poll)
    return window


async def admit(
    request: web.Request,
    *,
    access: Access,
    scope: Scope | None,
    permission: Permission | None,
    count: Count | None,
) -> None:
    """Lets the request pass, or raises the 401, 403 and 429 errors.

    Afterwards the request has its `CALLER` or, where only a session will do, its `SIGNED_IN`.
    Every request with a valid credential counts, refused or not.
    """
    if access == "open":
        return
    if access == "session":
        await _admit_signed_in(request, permission, count)
    else:
        await _admit_caller(request, access, scope, count)


async def may_still_call(request: web.Request, access: Access, scope: Scope | None) -> bool:
    """Whether a request that a key or either may make would be admitted now; nothing is counted.

    Where that cannot be found out for the moment, it stays admitted.
    """
    try:
        caller = await _authenticated(request, access)
        _check(caller, scope)
    except CapacityUnavailable:
        return True
    except DomainError:
        return False
    return caller.workspace == request[app_keys.CALLER].workspace


async def _admit_signed_in(
    request: web.Request, permission: Permission | None, count: Count | None
) -> None:
    signed_in = await request.app[app_keys.CONTEXT].sessions.signed_in(request)
    request[app_keys.SIGNED_IN] = signed_in
    if count is not None:
        subject, limit = _account_window(request, signed_in.person.id)
        _refuse_exceeded(await count(request, subject, limit))
    if permission is not None:
        signed_in.require(permission)


async def _admit_caller(
    request: web.Request, access: Access, scope: Scope | None, count: Count | None
) -> None:
    caller = await _authenticated(request, access)
    request[app_keys.CALLER] = caller
    if caller.key_id is not None:
        request.app[app_keys.CONTEXT].key_usage.note(caller.key_id)
    if count is not None:
        window = await count(request, *_counted_against(request, caller, scope))
        request[app_keys.RATE_WINDOW] = window
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
    context = request.app[app_keys.CONTEXT]
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    if access == "either" and authorization is None and COOKIE in request.cookies:
        return _caller_of(await context.sessions.signed_in(request))
    return await context.authenticator.authenticate(authorization)


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
    settings = request.app[app_keys.SETTINGS]
    return f"account:{person_id}", settings.account_requests_per_minute
