"""GET requests to sources: by the environment's proxies, a token to its own host alone."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp

from imagerift_core.proxies import proxy_to
from imagerift_core.weights_download.report import DownloadFailed

MOST_REDIRECTS = 5
# Seconds without a byte after which a server is given up.
SILENCE_SECONDS = 60
_AGENT = "imagerift-weights"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Unavailable(Exception):
    """The source did not answer, or asked for patience; the same request may be made again."""


@asynccontextmanager
async def open_session(ca_file: Path | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that believes the system's authorities, and those of `ca_file`."""
    trusted = ssl.create_default_context()
    if ca_file is not None:
        trusted.load_verify_locations(ca_file)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=SILENCE_SECONDS)
    connector = aiohttp.TCPConnector(ssl=trusted, limit=4)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, trust_env=False, auto_decompress=False
    ) as http:
        yield http


@asynccontextmanager
async def get(
    http: aiohttp.ClientSession,
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a GET, after redirects, whose status is 200 or 206.

    Raises `Unavailable` where the same may work later, `DownloadFailed` where it is refused.
    """
    first = urlsplit(url)
    sent = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **(headers or {})}
    for _ in range(1 + MOST_REDIRECTS):
        here = urlsplit(url)
        own = {"Authorization": f"Bearer {token}"} if token and here[:2] == first[:2] else {}
        try:
            response = await http.get(
                url, headers=sent | own, allow_redirects=False, proxy=proxy_to(url)
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{here.hostname}: {type(error).__name__}") from None
        async with response:
            if response.status not in _REDIRECTS:
                _check(response, here.hostname or "")
                yield response
                return
            url = urljoin(url, response.headers.get("Location", ""))
        scheme = urlsplit(url).scheme
        if scheme not in {"https", first.scheme}:
            raise DownloadFailed("RedirectRefused", f"{here.hostname} redirects to {scheme}://.")
    raise DownloadFailed("RedirectRefused", f"{first.hostname} redirects too often.")


def _check(response: aiohttp.ClientResponse, host: str) -> None:
    status = response.status
    if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return
    # The Hub's word for it, such as GatedRepo or RevisionNotFound.
    word = response.headers.get("X-Error-Code", "")
    said = f"{host} answered {status}{f' ({word})' if word.isalnum() else ''}."
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise RangeRefused(said)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        what = "The account has to accept the terms at the source first. " * (word == "GatedRepo")
        raise DownloadFailed("AccessDenied", f"{what}{said}", again=True)
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS} or status >= 500:
        raise Unavailable(said)
    raise DownloadFailed("NotFound" if status == HTTPStatus.NOT_FOUND else "Refused", said)


class RangeRefused(Unavailable):
    """The server has nothing from this byte on."""
