"""The gate of every keyed route."""

from __future__ import annotations

from aiohttp import hdrs, web
from imagerift_core import clock
from imagerift_core.api_keys import Scope
from imagerift_core.errors import RateLimited
from imagerift_core.mongo.rate_limit import RateWindow, count_request

from imagerift_api import app_keys
from imagerift_api.authentication import Caller


async def admit_caller(request: web.Request, scope: Scope | None) -> Caller:
    """Authenticates, counts this request, then checks plan and scope.

    Every request with a valid key counts, refused or not. Raises the 401, 403 and 429 errors.
    """
    context = request.app[app_keys.CONTEXT]
    caller = await context.authenticator.authenticate(request.headers.get(hdrs.AUTHORIZATION))
    request[app_keys.CALLER] = caller
    context.key_usage.note(caller.key_id)
    window = await count_request(
        context.database,
        caller.workspace,
        limit=caller.plan.requests_per_minute,
        at=clock.now(),
    )
    request[app_keys.RATE_WINDOW] = window
    if window.exceeded:
        raise RateLimited(limit=window.limit, retry_after_seconds=window.resets_in_seconds)
    caller.require_access()
    if scope is not None:
        caller.require_scope(scope)
    return caller


def rate_window(request: web.Request) -> RateWindow:
    """Where the caller stands, with this request counted."""
    return request[app_keys.RATE_WINDOW]
