"""Signing in and out."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.errors import DomainError

from imagerift_api import app_keys
from imagerift_api.account.schemas import SignInBody
from imagerift_api.context import CALLBACK_PATH
from imagerift_api.http.answers import Reply
from imagerift_api.http.body_reading import leave_continue_for_later
from imagerift_api.http.calls import Call, PendingBody
from imagerift_api.http.operations import Operation, add_operations
from imagerift_api.http.shapes import AnswerBody
from imagerift_api.sign_in.service import MINUTES

_PATH = "/account/sign-in"
_BROWSER_COOKIE = "imagerift_sign_in"
_ACCOUNT_PAGE = "/account"


class SignInWays(AnswerBody):
    """How one can sign in here. `oidcUrl` is where a browser begins."""

    password: bool
    oidc_url: str | None


async def list_ways(call: Call) -> SignInWays:
    sign_ins = call.context.sign_ins
    return SignInWays(
        password=sign_ins.offers_password, oidc_url=_PATH if sign_ins.offers_oidc else None
    )


async def sign_in_with_password(call: Call, body: PendingBody[SignInBody]) -> web.Response:
    sessions = call.context.sessions
    sessions.require_same_origin(call.request)
    async with body.read() as content:
        account = await call.context.sign_ins.with_password(
            content.name, content.password, address=sessions.address_of(call.request)
        )
    response = web.Response(status=204)
    sessions.open(response, account.person.id, account.workspace)
    return response


async def sign_out(call: Call) -> web.Response:
    response = web.Response(status=204)
    await call.context.sessions.end(response, call.signed_in.claims)
    return response


async def begin(request: web.Request) -> web.Response:
    context = request.app[app_keys.CONTEXT]
    begun = await context.sign_ins.begin()
    response = _see_other(begun.url)
    response.set_cookie(
        _BROWSER_COOKIE,
        begun.browser,
        max_age=MINUTES * 60,
        path=_PATH,
        httponly=True,
        samesite="Lax",
        secure=context.sessions.is_secure,
    )
    return response


async def finish(request: web.Request) -> web.Response:
    """A person is looking: a refusal goes to the account page, which words it."""
    context = request.app[app_keys.CONTEXT]
    query = request.query
    try:
        account = await context.sign_ins.finish(
            state=query.get("state", ""),
            code=query.get("code", ""),
            issuer=query.get("iss"),
            browser=request.cookies.get(_BROWSER_COOKIE),
            address=context.sessions.address_of(request),
        )
    except DomainError as error:
        response = _see_other(f"{_ACCOUNT_PAGE}#refused={error.code}")
    else:
        response = _see_other(_ACCOUNT_PAGE)
        context.sessions.open(response, account.person.id, account.workspace)
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


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
    for path, handler in ((_PATH, begin), (CALLBACK_PATH, finish)):
        application.router.add_get(path, handler, expect_handler=leave_continue_for_later)
