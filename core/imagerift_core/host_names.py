"""Addresses of the hosts that customers name, asked of the name servers without any thread.

A look-up ends when its time is over, whatever the name servers do, and holds nothing afterwards.
The system's own function would hold one of the process's few threads for as long as it likes.
"""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from cachetools import TTLCache

# What one workspace's requests look up at once, in one replica.
LOOK_UPS_AT_ONCE = 4
NEGATIVE_SECONDS = 30
_NEGATIVE_NAMES = 4096
_DELIVERY_SECONDS = 5.0
# A request waits for its turn and for the answer; the answer alone takes less.
_REQUEST_SECONDS = 2.0
_REQUEST_ANSWER_SECONDS = 1.5
# After which the next name server is asked, or the only one again.
_SERVER_SECONDS = 1.0
_KINDS = (dns.rdatatype.A, dns.rdatatype.AAAA)


class NameUnknown(Exception):
    """There is no such name, or it has no address."""


class NameInDoubt(OSError):
    """The name servers did not say in time."""


def system_resolver() -> dns.asyncresolver.Resolver:
    """Asks the name servers that the system's configuration names now."""
    return dns.asyncresolver.Resolver()


class HostNames:
    """Looks up host names as they are: in no search domain, and in no hosts file."""

    def __init__(self) -> None:
        self._failed: TTLCache[str, type[NameUnknown | NameInDoubt]] = TTLCache(
            _NEGATIVE_NAMES, NEGATIVE_SECONDS
        )
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def addresses(self, host: str) -> list[str]:
        """All of them, IPv4 first. `host` is ASCII. Raises `NameUnknown` or `NameInDoubt`."""
        return await self._look_up(host, _DELIVERY_SECONDS)

    async def addresses_for(self, workspace: str, host: str) -> list[str]:
        """As `addresses`, for a request of the workspace: few at once, for two seconds with the
        wait for a place, and not again within `NEGATIVE_SECONDS` of a failure."""
        try:
            async with asyncio.timeout(_REQUEST_SECONDS), self._place(workspace):
                failed = self._failed.get(host)
                if failed is not None:
                    raise failed(host)
                return await self._look_up(host, _REQUEST_ANSWER_SECONDS)
        except TimeoutError:
            raise NameInDoubt(host) from None

    async def _look_up(self, host: str, seconds: float) -> list[str]:
        try:
            return await _ask(_absolute(host), seconds)
        except (NameUnknown, NameInDoubt) as error:
            self._failed[host] = type(error)
            raise

    def _place(self, workspace: str) -> asyncio.Semaphore:
        # Forgotten when the last request that holds it or waits for it has ended.
        place = self._places.get(workspace)
        if place is None:
            place = self._places[workspace] = asyncio.Semaphore(LOOK_UPS_AT_ONCE)
        return place


async def _ask(name: dns.name.Name, seconds: float) -> list[str]:
    try:
        resolver = system_resolver()
    except dns.exception.DNSException as error:
        raise NameInDoubt("no name server is known") from error
    resolver.timeout = _SERVER_SECONDS
    answers = await asyncio.gather(*(_records(resolver, name, kind, seconds) for kind in _KINDS))
    found = [address for answer in answers for address in answer or ()]
    if not found and None in answers:
        raise NameInDoubt(str(name))
    if not found:
        raise NameUnknown(str(name))
    return found


async def _records(
    resolver: dns.asyncresolver.Resolver,
    name: dns.name.Name,
    kind: dns.rdatatype.RdataType,
    seconds: float,
) -> list[str] | None:
    """The addresses of one kind; None where that is in doubt."""
    try:
        answer = await resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=seconds)
    except dns.resolver.NXDOMAIN:
        return []
    except (dns.exception.DNSException, OSError):
        return None
    return [record.address for record in answer.rrset or ()]


def _absolute(host: str) -> dns.name.Name:
    """The name, up to the root. Raises `NameUnknown` where no name can look like that."""
    try:
        return dns.name.Name([*host.removesuffix(".").encode("ascii").split(b"."), b""])
    except (UnicodeError, dns.exception.DNSException):
        raise NameUnknown(host) from None
