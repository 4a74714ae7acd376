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
from contextlib import suppress
from typing import Any

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from imagerift_core.errors import InvalidRequest
from imagerift_core.host_names import HostNames, NameUnknown
from imagerift_core.networks import Address, Network, is_public_address, is_public_name

MAX_URL_CHARACTERS = 2048
_log = structlog.get_logger()

_FAMILIES = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
_PORTS = frozenset({443, 8443})
# One wording for whatever is inside and for what does not exist, so that nobody can ask which.
_NOT_PUBLIC = "its host is not on the public internet"
# A host name does not end in a number: `127.1`, `0x7f000001` and `2130706433` are spellings of
# addresses that resolvers take (WHATWG URL, "ends in a number").
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)")


class UrlRefused(Exception):
    """The address is one that nothing may be sent to; `reason` says why, without the address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HostRefused(UrlRefused):
    """Its host is not one that anything may be sent to; `cause` is for our own logs alone."""

    def __init__(self, cause: str) -> None:
        super().__init__(_NOT_PUBLIC)
        self.cause = cause


class Egress:
    """`allowed_hosts` are host:port pairs of a developer's own, reached as they are;
    `refused_networks` are the cluster's ranges."""

    def __init__(
        self, *, allowed_hosts: frozenset[str] = frozenset(), refused_networks: Sequence[Network]
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._refused_networks = tuple(refused_networks)
        self._names = HostNames()

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
        if port not in _PORTS:
            raise UrlRefused("its port must be 443 or 8443")
        bare = host.rstrip(".")
        literal = _literal(bare)
        if literal is not None:
            self.vet(literal)
        elif _NUMERIC.fullmatch(bare):
            raise HostRefused("numeric")
        elif not is_public_name((url.raw_host or "").rstrip(".")):
            raise HostRefused("local_name")
        return url

    def is_allowed(self, host: str, port: int) -> bool:
        named = f"[{host}]" if ":" in host else host
        return f"{named}:{port}" in self._allowed_hosts

    def vet(self, address: Address) -> None:
        """Raises `HostRefused` for every address that is not a public one."""
        if any(address in network for network in self._refused_networks):
            raise HostRefused("cluster")
        if not is_public_address(address):
            raise HostRefused("not_public")

    async def addresses(
        self, host: str, port: int, *, workspace: str | None = None
    ) -> list[tuple[int, str]]:
        """(family, address) pairs of the host, resolved once; one bad answer refuses them all.
        With `workspace` it is a request of that one's, which may ask for few names at once.

        Raises `HostRefused`, or `OSError` where the name cannot be looked up just now.
        """
        if self.is_allowed(host, port):
            return await _as_the_system_says(host, port)
        literal = _literal(host)
        try:
            if literal is not None:
                found = [str(literal)]
            elif workspace is None:
                found = await self._names.addresses(host)
            else:
                found = await self._names.addresses_for(workspace, host)
        except NameUnknown:
            raise HostRefused("no_such_name") from None
        addresses = [ipaddress.ip_address(text) for text in found]
        for address in addresses:
            self.vet(address)
        return [(_FAMILIES[address.version], str(address)) for address in addresses]

    async def check(self, text: str, *, param: str, workspace: str) -> URL:
        """The URL, if it may be sent to as far as can be told now. Raises `InvalidRequest`.

        A name that cannot be looked up just now is taken: every delivery looks again.
        """
        try:
            url = self.parse(text)
            await self._look(url, workspace)
        except UrlRefused as error:
            cause = error.cause if isinstance(error, HostRefused) else error.reason
            _log.warning("webhook_url_refused", param=param, reason=cause)
            raise InvalidRequest(f"{param} is refused: {error.reason}.", param=param) from None
        return url

    async def _look(self, url: URL, workspace: str) -> None:
        assert url.raw_host is not None  # noqa: S101 - `parse` saw to it
        assert url.port is not None  # noqa: S101
        with suppress(OSError):
            await self.addresses(url.raw_host, url.port, workspace=workspace)


class GuardedResolver(AbstractResolver):
    """Hands the HTTP client vetted addresses and nothing else."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises `HostRefused` or `OSError`."""
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


async def _as_the_system_says(host: str, port: int) -> list[tuple[int, str]]:
    """A developer's own host may have its name from anywhere."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return [(int(family), str(place[0])) for family, _, _, _, place in found]


def _literal(host: str) -> Address | None:
    try:
        parsed: Any = ipaddress.ip_address(host)
    except ValueError:
        return None
    address: Address = parsed
    return address
