"""Signing in and out."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.errors import DomainError

from imagerift_api.auth.cookies import DEVICE, INVITATION, SIGN_IN
from imagerift_api.auth.sessions import SESSIONS
from imagerift_api.http.answers import Reply
from imagerift_api.http.body_reading import leave_continue_for_later
from imagerift_api.http.calls import Call, PendingBody
from imagerift_api.http.operations import Operation
from imagerift_api.http.problems import KINDS
from imagerift_api.http.request_log import log_refusal
from imagerift_api.sign_in.built_in import Visitor
from imagerift_api.sign_in.devices import COOKIE_SECONDS, KNOWN_DEVICES
from imagerift_api.sign_in.schemas import SignInBody, SignInWays
from imagerift_api.sign_in.service import CALLBACK_PATH, SIGN_INS, IssuersAnswer
from imagerift_api.sign_in.under_way import MINUTES

_PATH = "/account/sign-in"
SESSION_PATH = "/api/v1/account/session"
_ACCOUNT_PAGE = "/account"
# What the pages have kept goes with the session; the cookies of neighbour hosts would go with ours.
_CLEARED = {"Clear-Site-Data": '"cache", "storage"'}
# Of what only this page tells.
_REFUSED = (403, "")


async def list_ways(call: Call) -> SignInWays:
    sign_ins = call.app[SIGN_INS]
    return SignInWays(
        password=sign_ins.offers_password, oidc_url=_PATH if sign_ins.offers_oidc else None
    )


async def sign_in_with_password(call: Call, body: PendingBody[SignInBody]) -> web.Response:
    sessions = call.app[SESSIONS]
    sessions.require_same_origin(call.request)
    async with body.read() as content:
        visitor = Visitor(
            address=sessions.address_of(call.request),
            device=sessions.cookies.get(call.request, DEVICE),
        )
        account = await call.app[SIGN_INS].with_password(content.name, content.password, visitor)
    response = web.Response(status=204)
    await sessions.open(
        call.request, response, person=account.person.id, workspace=account.workspace
    )
    device = call.app[KNOWN_DEVICES].issue(content.name)
    sessions.cookies.set(response, DEVICE, device, seconds=COOKIE_SECONDS, samesite="Strict")
    return response


async def sign_out(call: Call) -> web.Response:
    response = web.Response(status=204, headers=_CLEARED)
    await call.app[SESSIONS].end(response, call.signed_in.claims)
    return response


async def begin(request: web.Request) -> web.Response:
    sessions = request.app[SESSIONS]
    begun = await request.app[SIGN_INS].begin(address=sessions.address_of(request))
    response = _see_other(begun.url)
    sessions.cookies.set(response, SIGN_IN, begun.cookie, seconds=MINUTES * 60)
    return response


async def finish(request: web.Request) -> web.Response:
    """A person is looking: a refusal goes to the account page, which words it."""
    sessions, query = request.app[SESSIONS], request.query
    try:
        account = await request.app[SIGN_INS].finish(
            IssuersAnswer(
                state=query.get("state", ""),
                code=query.get("code", ""),
                issuer=query.get("iss"),
                cookie=sessions.cookies.get(request, SIGN_IN),
                invitation=sessions.cookies.get(request, INVITATION),
            ),
            address=sessions.address_of(request),
        )
    except DomainError as error:
        status, _title = KINDS.get(error.code, _REFUSED)
        log_refusal(request, error.code, status)
        response = _see_other(f"{_ACCOUNT_PAGE}#refused={error.code}")
    else:
        response = _see_other(_ACCOUNT_PAGE + ("#invited" if account.invited else ""))
        await sessions.open(
            request, response, person=account.person.id, workspace=account.workspace
        )
    for cookie in (SIGN_IN, INVITATION):
        sessions.cookies.delete(response, cookie)
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
        path=SESSION_PATH,
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
            "account_suspended",
            "cross_site_request",
            "rate_limited",
            "capacity_unavailable",
        ),
    ),
    Operation(
        method="DELETE",
        path=SESSION_PATH,
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
