"""What a person sees instead of a problem document."""

from __future__ import annotations

from html import escape

from aiohttp import hdrs, web

from imagerift_api.http.accepting import prefers_html
from imagerift_api.http.problems import PAGES_PATH, Problem
from imagerift_api.pages import documents

PLAIN_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
}


def is_for_a_reader(request: web.Request) -> bool:
    """Whether a browser shows the answer to somebody; below /api/ it is always data."""
    return not request.path.startswith("/api/") and prefers_html(
        request.headers.get(hdrs.ACCEPT, "")
    )


def error_page(problem: Problem, *, request_id: str) -> web.Response:
    """The refusal as a page."""
    text = documents.page(
        "problem.html",
        {
            "TITLE": escape(problem.title),
            "STATUS": str(problem.status),
            "BODY": f'<p class="lead">{escape(problem.detail)}</p>'
            f'<p>What this means: <a href="{PAGES_PATH}/{problem.code}">'
            f"<code>{escape(problem.code)}</code></a></p>"
            f'<p class="quiet small">Request <code>{escape(request_id)}</code></p>',
        },
    )
    headers = PLAIN_PAGE_HEADERS | {hdrs.CACHE_CONTROL: "no-store", **problem.headers}
    return web.Response(status=problem.status, text=text, content_type="text/html", headers=headers)
