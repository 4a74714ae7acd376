"""The gate of every route that needs an account session."""

from __future__ import annotations

from aiohttp import web
from imagerift_core import clock
from imagerift_core.errors import RateLimited
from imagerift_core.mongo.rate_limit import count_request

from imagerift_api import app_keys
from imagerift_api.sign_in.sessions import SignedIn


async def admit_signed_in(request: web.Request) -> SignedIn:
    """Whoever is signed in. Raises `InvalidSession`, `CrossSiteRequest` or `RateLimited`."""
    context = request.app[app_keys.CONTEXT]
    signed_in = await context.sessions.signed_in(request)
    request[app_keys.SIGNED_IN] = signed_in
    window = await count_request(
        context.database,
        account_subject(signed_in.person.id),
        limit=request.app[app_keys.SETTINGS].account_requests_per_minute,
        at=clock.now(),
    )
    if window.exceeded:
        raise RateLimited(limit=window.limit, retry_after_seconds=window.resets_in_seconds)
    return signed_in


def account_subject(person_id: str) -> str:
    """Where a person's account requests are counted."""
    return f"account:{person_id}"
