"""Headers that every answer has, whatever it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web, web_response

_HTTPS_ALONE = f"max-age={365 * 24 * 3600}"


def name_server() -> None:
    """Has every answer of this process name the product alone: no version, no framework.

    The framework has no setting for it, and what its parser refuses reaches no application.
    """
    setattr(web_response, "SERVER_SOFTWARE", "ImageRift")  # noqa: B010 - it is not exported


def security_headers(
    *, https: bool
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A receiver of `on_response_prepare`; `https` says that browsers come by https alone."""
    headers = {"X-Content-Type-Options": "nosniff"}
    if https:
        headers[hdrs.STRICT_TRANSPORT_SECURITY] = _HTTPS_ALONE

    async def add(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)

    return add
