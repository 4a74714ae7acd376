"""Signing in and out."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.errors import DomainError

from imagerift_api.auth.sessions import SESSIONS
from imagerift_api.http.answers import Reply
from imagerift_api.http.body_reading import leave_continue_for_later
from imagerift_api.http.calls import Call, PendingBody
from imagerift_api.http.operations import Operation
from imagerift_api.sign_in.schemas import SignInBody, SignInWays
from imagerift_api.sign_in.service import CALLBACK_PATH, MINUTES, SIGN_INS

_PATH = "/account/sign-in"
_BROWSER_COOKIE = "imagerift_sign_in"
_ACCOUNT_PAGE = "/account"


async def list_ways(call: Call) -> SignInWays:
    sign_ins = call.app[SIGN_INS]
    return SignInWays(
        password=sign_ins.offers_password, oidc_url=_PATH if sign_ins.offers_oidc else None
    )


async def sign_in_with_password(call: Call, body: PendingBody[SignInBody]) -> web.Response:
    sessions = call.app[SESSIONS]
    sessions.require_same_origin(call.request)
    async with body.read() as content:
        account = await call.app[SIGN_INS].with_password(
            content.name, content.password, address=sessions.address_of(call.request)
        )
    response = web.Response(status=204)
    sessions.open(response, account.person.id, account.workspace)
    return response


async def sign_out(call: Call) -> web.Response:
    response = web.Response(status=204)
    await call.app[SESSIONS].end(response, call.signed_in.claims)
    return response


async def begin(request: web.Request) -> web.Response:
    begun = await request.app[SIGN_INS].begin()
    response = _see_other(begun.url)
    response.set_cookie(
        _BROWSER_COOKIE,
        begun.browser,
        max_age=MINUTES * 60,
        path=_PATH,
        httponly=True,
        samesite="Lax",
        secure=request.app[SESSIONS].is_secure,
    )
    return response


async def finish(request: web.Request) -> web.Response:
    """A person is looking: a refusal goes to the account page, which words it."""
    sessions, query = request.app[SESSIONS], request.query
    try:
        account = await request.app[SIGN_INS].finish(
            state=query.get("state", ""),
            code=query.get("code", ""),
            issuer=query.get("iss"),
            browser=request.cookies.get(_BROWSER_COOKIE),
            address=sessions.address_of(request),
        )
    except DomainError as error:
        response = _see_other(f"{_ACCOUNT_PAGE}#refused={error.code}")
    else:
        response = _see_other(_ACCOUNT_PAGE)
        sessions.open(response, account.person.id, account.workspace)
    response.del_cookie(_BROWSER_COOKIE, path=_PATH)
    return response


def _see_other(location: str) -> web.Response:
    return web.Response(
        status=303,
        headers={
            "Location": location,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        },
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/account/sign-in",
        handler=list_ways,
        name="listSignInWays",
        tag="Account",
        summary="List the ways of signing in",
        access="open",
        private=True,
        replies={200: Reply("The ways.", SignInWays)},
    ),
    Operation(
        method="POST",
        path="/api/v1/account/session",
        handler=sign_in_with_password,
        name="signInWithPassword",
        tag="Account",
        summary="Sign in at the built-in issuer",
        description="Sets the session's cookie. Only from this installation's own pages.",
        access="open",
        private=True,
        replies={204: Reply("Signed in.", headers={"Set-Cookie": "The session."})},
        errors=(
            "sign_in_failed",
            "no_workspace_left",
            "cross_site_request",
            "rate_limited",
            "capacity_unavailable",
        ),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/account/session",
        handler=sign_out,
        name="signOut",
        tag="Account",
        summary="Sign out",
        access="session",
        # Whoever asked too often can still leave.
        count=None,
        private=True,
        replies={204: Reply("The session is over, on every replica.")},
    ),
)


def add_pages(application: web.Application) -> None:
    for path, handler in ((_PATH, begin), (CALLBACK_PATH, finish)):
        application.router.add_get(path, handler, expect_handler=leave_continue_for_later)
