"""Whether a part answers. A probe returns False for "not yet" and never raises for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import aiohttp

from imagerift_local.pki import KeyPair

Probe = Callable[[], Awaitable[bool]]

PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2.0)


async def always_ready() -> bool:
    """The probe of what cannot be asked."""
    return True


def http_probe(
    url: str,
    *,
    expected: frozenset[int] = frozenset({200}),
    tls: ssl.SSLContext | None = None,
) -> Probe:
    """Ready when a GET of `url` gives one of the expected statuses."""

    async def probe() -> bool:
        try:
            async with (
                aiohttp.ClientSession(timeout=PROBE_TIMEOUT, trust_env=False) as session,
                session.get(url, ssl=tls or True, allow_redirects=False) as response,
            ):
                return response.status in expected
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    return probe


def tcp_probe(host: str, port: int) -> Probe:
    """Ready when something accepts a connection."""

    async def probe() -> bool:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout=2.0)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return probe


def client_tls(authority: KeyPair, holder: KeyPair) -> ssl.SSLContext:
    """The TLS settings of a client that has the holder's certificate."""
    context = ssl.create_default_context(cafile=authority.certificate)
    context.load_cert_chain(holder.certificate, holder.key)
    return context
