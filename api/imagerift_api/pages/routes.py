"""/, /developers, /account and the files that they load."""

from __future__ import annotations

from html import escape

from aiohttp import hdrs, web

from imagerift_api.auth.sessions import SESSIONS
from imagerift_api.http.body_reading import leave_continue_for_later
from imagerift_api.pages import documents
from imagerift_api.pages.previews import PATH as PREVIEWS_PATH
from imagerift_api.pages.previews import PREVIEWS
from imagerift_api.settings import MODES, PLANS, SETTINGS

_ASSETS: web.AppKey[dict[str, documents.Asset]] = web.AppKey("assets", dict)
# A picture says nothing of anybody, and clients' own pages may show it.
_PREVIEW_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=86400",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


async def start(request: web.Request) -> web.Response:
    """To the account for whoever seems to be signed in; that page looks closer."""
    known = request.app[SESSIONS].token_of(request) is not None
    page = "/account" if known else "/developers"
    return web.Response(
        status=303, headers={"Location": page, "Cache-Control": "no-store", "Vary": "Cookie"}
    )


async def root_file(request: web.Request) -> web.Response:
    """A file that browsers and crawlers ask for by a fixed address."""
    return _file(request, request.app[_ASSETS], _HEADERS | {"Cache-Control": "max-age=86400"})


async def developers(request: web.Request) -> web.Response:
    plans = request.app[PLANS]
    looks = request.app[PREVIEWS].looks(request.app[MODES])
    return _page(
        request,
        "developers.html",
        {
            "LOOKS": looks,
            "LOOKS_HIDDEN": "" if looks else "hidden",
            "ORIGIN": escape(request.app[SESSIONS].origin_of(request)),
            "PLANS": documents.plan_rows(plans),
            "LIMITS": documents.limits_sentence(plans),
        },
    )


async def account(request: web.Request) -> web.Response:
    return _page(request, "account.html", {})


async def asset(request: web.Request) -> web.Response:
    return _file(request, request.app[_ASSETS], _HEADERS | {"Cache-Control": "no-cache"})


async def preview(request: web.Request) -> web.Response:
    return _file(request, request.app[PREVIEWS].files, _PREVIEW_HEADERS)


def _file(
    request: web.Request, files: dict[str, documents.Asset], headers: dict[str, str]
) -> web.Response:
    found = files.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    etag = f'"{found.etag}"'
    headers = headers | {"ETag": etag}
    if request.headers.get(hdrs.IF_NONE_MATCH, "").removeprefix("W/") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.body, headers=headers | {hdrs.CONTENT_TYPE: found.content_type})


def _page(request: web.Request, name: str, placeholders: dict[str, str]) -> web.Response:
    policy = documents.content_security_policy(request.app[SETTINGS].s3_public_url)
    return web.Response(
        text=documents.page(name, placeholders),
        content_type="text/html",
        headers=_HEADERS | {"Content-Security-Policy": policy, "Cache-Control": "no-cache"},
    )


def add_pages(application: web.Application) -> None:
    application[_ASSETS] = documents.load_folder("files")
    for path, handler in (
        ("/", start),
        ("/{name:favicon.ico|robots.txt}", root_file),
        ("/developers", developers),
        ("/account", account),
        ("/static/{name}", asset),
        (PREVIEWS_PATH + "/{name}", preview),
    ):
        application.router.add_get(path, handler, expect_handler=leave_continue_for_later)
