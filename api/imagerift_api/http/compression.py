"""gzip for answers that gain by it and hold no secret."""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from imagerift_api.http.accepting import accepts_gzip

LEAST_BYTES = 2048
_TYPES = frozenset(
    {
        "application/json",
        "application/problem+json",
        "image/svg+xml",
        "text/css",
        "text/html",
        "text/javascript",
        "text/plain",
    }
)


@web.middleware
async def compress_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compresses where the client takes it. Streams go as they are.

    What no cache may keep holds keys, tokens or signed URLs. It is never compressed, so that the
    length of an answer says nothing of a secret in it (the attack called BREACH).
    """
    response = await handler(request)
    if not (isinstance(response, web.Response) and _gains(response)):
        return response
    vary = response.headers.get(hdrs.VARY)
    response.headers[hdrs.VARY] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
    if accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        etag = response.headers.get(hdrs.ETAG)
        if etag is not None and not etag.startswith("W/"):
            # Other bytes of the same content (RFC 9110, section 8.8.1).
            response.headers[hdrs.ETAG] = f"W/{etag}"
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _gains(response: web.Response) -> bool:
    body = response.body
    return (
        isinstance(body, bytes | bytearray)
        and len(body) >= LEAST_BYTES
        and response.content_type in _TYPES
        and hdrs.CONTENT_ENCODING not in response.headers
        and "no-store" not in response.headers.get(hdrs.CACHE_CONTROL, "")
    )
