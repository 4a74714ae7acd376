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
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> Probe:
    """Ready when a GET of `url` gives one of the expected statuses."""
    context: ssl.SSLContext | None = None

    async def probe() -> bool:
        nonlocal context
        if tls is not None and context is None:
            context = tls()
        try:
            async with (
                aiohttp.ClientSession(timeout=PROBE_TIMEOUT, trust_env=False) as session,
                session.get(url, ssl=context or True, allow_redirects=False) as response,
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


def client_tls(authority: KeyPair, holder: KeyPair) -> Callable[[], ssl.SSLContext]:
    """Makes the TLS settings of a client that has the holder's certificate."""

    def build() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=authority.certificate)
        context.load_cert_chain(holder.certificate, holder.key)
        return context

    return build
