"""The gate of every keyed route."""

from __future__ import annotations

from aiohttp import hdrs, web
from imagerift_core import clock
from imagerift_core.api_keys import Scope
from imagerift_core.errors import ApiAccessLocked, CapacityUnavailable, DomainError, RateLimited
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.polls import Poll
from imagerift_core.mongo.rate_limit import RateWindow, count_request
from imagerift_core.roles import scopes_of

from imagerift_api import app_keys
from imagerift_api.authentication import Caller
from imagerift_api.routes.signed_in import account_subject
from imagerift_api.sign_in.sessions import COOKIE, SignedIn

_JOB_SCOPES: frozenset[Scope | None] = frozenset(
    {"jobs:write", "jobs:read", "jobs:cancel", "uploads:write"}
)


async def admit_caller(request: web.Request, scope: Scope | None) -> Caller:
    """Authenticates, counts this request, then checks plan and scope.

    The caller has an API key or, without an `Authorization` header, an account session. Every
    request with a valid credential counts, refused or not. Raises the 401, 403 and 429 errors.
    """
    caller = await _identified(request)
    subject, limit = _counted_against(request, caller, scope)
    database = request.app[app_keys.CONTEXT].database
    window = await count_request(database, subject, limit=limit, at=clock.now())
    _check(request, caller, window, scope)
    return caller


async def admit_reader(
    request: web.Request, scope: Scope, job_id: str
) -> tuple[Caller, JobRecord | None]:
    """What `admit_caller` does, and the job of that id if it is the caller's own."""
    caller = await _identified(request)
    subject, limit = _counted_against(request, caller, scope)
    poll = Poll(subject, limit, clock.now(), job_id, caller.workspace)
    window, record = await request.app[app_keys.CONTEXT].polls.count_and_read(poll)
    _check(request, caller, window, scope)
    return caller, record


async def _identified(request: web.Request) -> Caller:
    caller = await _authenticated(request)
    request[app_keys.CALLER] = caller
    if caller.key_id is not None:
        request.app[app_keys.CONTEXT].key_usage.note(caller.key_id)
    return caller


def _check(request: web.Request, caller: Caller, window: RateWindow, scope: Scope | None) -> None:
    request[app_keys.RATE_WINDOW] = window
    if window.exceeded:
        raise RateLimited(limit=window.limit, retry_after_seconds=window.resets_in_seconds)
    caller.require_access()
    if scope is not None:
        caller.require_scope(scope)


async def may_still_call(request: web.Request, scope: Scope) -> bool:
    """Whether a request that was admitted would be now; nothing is counted.

    Where that cannot be found out for the moment, it stays admitted.
    """
    try:
        caller = await _authenticated(request)
        caller.require_access()
        caller.require_scope(scope)
    except CapacityUnavailable:
        return True
    except DomainError:
        return False
    return caller.workspace == request[app_keys.CALLER].workspace


async def _authenticated(request: web.Request) -> Caller:
    context = request.app[app_keys.CONTEXT]
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    if authorization is None and COOKIE in request.cookies:
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
    settings = request.app[app_keys.SETTINGS]
    return account_subject(caller.person), settings.account_requests_per_minute


def rate_window(request: web.Request) -> RateWindow:
    """Where the caller stands, with this request counted."""
    return request[app_keys.RATE_WINDOW]
