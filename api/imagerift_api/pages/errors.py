"""What a person sees instead of a problem document."""

from __future__ import annotations

from html import escape

from aiohttp import hdrs, web

from imagerift_api.http.accepting import prefers_html
from imagerift_api.http.calls import REQUEST_ID
from imagerift_api.http.problems import PAGES_PATH, Problem
from imagerift_api.pages import documents

PLAIN_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
}


def error_page(request: web.Request, problem: Problem) -> web.Response | None:
    """The refusal as a page where a browser shows it to somebody; below /api/ it is data."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    if request.path.startswith("/api/") or not prefers_html(accept):
        return None
    text = documents.page(
        "problem.html",
        {
            "TITLE": escape(problem.title),
            "STATUS": str(problem.status),
            "BODY": f'<p class="lead">{escape(problem.detail)}</p>'
            f'<p>What this means: <a href="{PAGES_PATH}/{problem.code}">'
            f"<code>{escape(problem.code)}</code></a></p>"
            f'<p class="quiet small">Request <code>{escape(request[REQUEST_ID])}</code></p>',
        },
    )
    headers = PLAIN_PAGE_HEADERS | {hdrs.CACHE_CONTROL: "no-store", **problem.headers}
    return web.Response(status=problem.status, text=text, content_type="text/html", headers=headers)
