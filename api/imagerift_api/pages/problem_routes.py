"""/problems: what each code means, on the pages that `type` in a problem document names."""

from __future__ import annotations

from html import escape

import orjson
from aiohttp import hdrs, web

from imagerift_api.http.accepting import prefers_json
from imagerift_api.http.problems import KINDS, PAGES_PATH
from imagerift_api.pages import documents
from imagerift_api.pages.errors import PLAIN_PAGE_HEADERS
from imagerift_api.pages.problem_advice import ADVICE


async def show_all(request: web.Request) -> web.Response:
    if _as_data(request):
        return _data({"data": [_described(code) for code in KINDS]})
    rows = "".join(
        f'<li><a href="{PAGES_PATH}/{code}"><code>{code}</code></a> {escape(title)}</li>'
        for code, (_status, title) in KINDS.items()
    )
    return _page("Problems", "RFC 9457", f"<ul>{rows}</ul>")


async def show_one(request: web.Request) -> web.Response:
    code = request.match_info["code"]
    if code not in KINDS:
        raise web.HTTPNotFound
    if _as_data(request):
        return _data(_described(code))
    status, title = KINDS[code]
    body = (
        f'<p class="lead">{documents.inline(ADVICE[code])}</p><p>Code <code>{code}</code>, '
        f'status {status}. <a href="{PAGES_PATH}">All codes</a></p>'
    )
    return _page(title, str(status), body)


def _described(code: str) -> dict[str, str | int]:
    status, title = KINDS[code]
    return {"code": code, "status": status, "title": title, "advice": ADVICE[code]}


def _as_data(request: web.Request) -> bool:
    return prefers_json(request.headers.get(hdrs.ACCEPT, ""))


def _data(content: object) -> web.Response:
    return web.Response(
        body=orjson.dumps(content),
        content_type="application/json",
        charset="utf-8",
        headers={hdrs.VARY: "Accept", hdrs.CACHE_CONTROL: "no-cache"},
    )


def _page(title: str, status: str, body: str) -> web.Response:
    placeholders = {"TITLE": escape(title), "STATUS": status, "BODY": body}
    return web.Response(
        text=documents.page("problem.html", placeholders),
        content_type="text/html",
        headers=PLAIN_PAGE_HEADERS | {hdrs.CACHE_CONTROL: "no-cache"},
    )


def add_pages(application: web.Application) -> None:
    application.router.add_get(PAGES_PATH, show_all)
    application.router.add_get(PAGES_PATH + "/{code}", show_one)
