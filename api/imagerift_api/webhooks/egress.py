"""Where this installation's own requests may go when somebody else chose the address.

An address is resolved once, every answer is vetted, and those very answers are connected to, so
that a name which changes its mind between the check and the connection gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Any

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from imagerift_core.errors import InvalidRequest
from yarl import URL

MAX_URL_CHARACTERS = 2048
_RESOLVE_SECONDS = 2.0
_log = structlog.get_logger()

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Beyond what the standard library calls not global.
_REFUSED_V4 = tuple(ipaddress.IPv4Network(n) for n in ("192.88.99.0/24", "224.0.0.0/3"))
# Only global unicast is let through; within it, ranges that carry or stand for IPv4 addresses,
# or that are special. Mapped, compatible, NAT64, unique-local and link-local forms lie outside.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(n)
    for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)
# A host name does not end in a number: `127.1`, `0x7f000001` and `2130706433` are spellings of
# addresses that resolvers take (WHATWG URL, "ends in a number").
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)")


class UrlRefused(Exception):
    """The address is one that nothing may be sent to; `reason` says why, without the address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Egress:
    """`allowed_hosts` are host:port pairs of a developer's own, reached as they are;
    `refused_networks` are the cluster's ranges."""

    def __init__(
        self, *, allowed_hosts: frozenset[str] = frozenset(), refused_networks: Sequence[Network]
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._refused_networks = tuple(refused_networks)

    def parse(self, text: str) -> URL:
        """The URL, if its form is one that may be sent to. Raises `UrlRefused`."""
        if len(text) > MAX_URL_CHARACTERS or any(ord(c) <= 32 or ord(c) == 127 for c in text):
            raise UrlRefused("it is not a URL")
        try:
            url = URL(text)
            host, port = url.host, url.port
        except ValueError:
            raise UrlRefused("it is not a URL") from None
        if not host or port is None or url.user is not None or url.password is not None:
            raise UrlRefused("it must be https://host/path, without user or password")
        if self.is_allowed(host, port):
            return url
        if url.scheme != "https":
            raise UrlRefused("it must be https")
        bare = host.rstrip(".")
        literal = _literal(bare)
        if literal is not None:
            self.vet(literal)
        elif _NUMERIC.fullmatch(bare) or not bare:
            raise UrlRefused("its host is not a name")
        return url

    def is_allowed(self, host: str, port: int) -> bool:
        named = f"[{host}]" if ":" in host else host
        return f"{named}:{port}" in self._allowed_hosts

    def vet(self, address: Address) -> None:
        """Raises `UrlRefused` for every address that is not a public one."""
        if any(address in network for network in self._refused_networks):
            raise UrlRefused("it leads into the cluster")
        if isinstance(address, ipaddress.IPv4Address):
            public = address.is_global and not any(address in n for n in _REFUSED_V4)
        else:
            public = (
                address.scope_id is None
                and address in _GLOBAL_UNICAST
                and address.is_global
                and not any(address in n for n in _REFUSED_V6)
            )
        if not public:
            raise UrlRefused("it does not lead to a public address")

    async def addresses(self, host: str, port: int) -> list[tuple[int, str]]:
        """(family, address) pairs of the host, resolved once; one bad answer refuses them all.

        Raises `UrlRefused`, or `OSError` where the name does not resolve.
        """
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        pairs = [(int(family), str(place[0])) for family, _, _, _, place in found]
        if not self.is_allowed(host, port):
            for _, text in pairs:
                self.vet(ipaddress.ip_address(text))
        return pairs

    async def check(self, text: str, *, param: str) -> URL:
        """The URL, if it may be sent to as far as can be told now. Raises `InvalidRequest`.

        A name that cannot be looked up just now is taken: every delivery looks again.
        """
        try:
            url = self.parse(text)
            await self._look(url)
        except UrlRefused as error:
            _log.warning("webhook_url_refused", param=param, reason=error.reason)
            raise InvalidRequest(f"{param} is refused: {error.reason}.", param=param) from None
        return url

    async def _look(self, url: URL) -> None:
        assert url.host is not None  # noqa: S101 - `parse` saw to it
        assert url.port is not None  # noqa: S101
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                await self.addresses(url.host, url.port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_NONAME:
                raise UrlRefused("its host does not exist") from None
        except (OSError, UnicodeError, TimeoutError):
            return


class GuardedResolver(AbstractResolver):
    """Hands the HTTP client vetted addresses and nothing else."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises `UrlRefused` or `OSError`."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=found,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, address in await self._egress.addresses(host, port)
            if family in {socket.AF_UNSPEC, found}
        ]

    async def close(self) -> None:
        """Nothing is held open."""


def _literal(host: str) -> Address | None:
    try:
        parsed: Any = ipaddress.ip_address(host)
    except ValueError:
        return None
    address: Address = parsed
    return address
