"""Headers that every answer has, whatever it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web, web_response

_HTTPS_ALONE = f"max-age={365 * 24 * 3600}"
ALWAYS = {"X-Content-Type-Options": "nosniff"}
# Of an answer that says nothing of its own: it is data. No browser shows it in a frame, runs or
# loads anything for it, lets another site's page read it, or keeps it.
DATA = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.CACHE_CONTROL: "no-store",
}


def name_server() -> None:
    """Has every answer of this process name the product alone: no version, no framework.

    The framework has no setting for it, and what its parser refuses reaches no application.
    """
    setattr(web_response, "SERVER_SOFTWARE", "ImageRift")  # noqa: B010 - it is not exported


def security_headers(
    *, https: bool
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A receiver of `on_response_prepare`; `https` says that browsers come by https alone."""
    headers = dict(ALWAYS)
    if https:
        headers[hdrs.STRICT_TRANSPORT_SECURITY] = _HTTPS_ALONE

    async def add(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)
        for name, value in DATA.items():
            response.headers.setdefault(name, value)

    return add
