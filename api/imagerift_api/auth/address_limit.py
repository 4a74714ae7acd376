"""How often one address may do what nobody is identified for, kept in this process alone.

Before a credential is known to be right there is nobody to count for, and no store may be asked
for each try: what a stranger can cause must end here.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache
from imagerift_core.errors import RateLimited

_WINDOW_SECONDS = 60.0
_ADDRESSES = 10_000
# Whoever has one IPv6 address usually has all of its network (RFC 6177).
_IPV6_PREFIX = 64


def client_network(address: str | None) -> str:
    """The address as limits see it: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed)


@dataclass
class _Window:
    began: float
    count: int = 0


class AddressLimit:
    """At most `per_minute` of one kind from one network; those that were used last are known."""

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._windows: LRUCache[str, _Window] = LRUCache(_ADDRESSES)

    def count(self, address: str | None) -> None:
        self._window(address).count += 1

    def check(self, address: str | None) -> None:
        """Raises `RateLimited` where as many were counted as may be."""
        window = self._window(address)
        if window.count >= self._per_minute:
            left = window.began + _WINDOW_SECONDS - self._monotonic()
            raise RateLimited(limit=self._per_minute, retry_after_seconds=max(1, round(left + 0.5)))

    def _window(self, address: str | None) -> _Window:
        network, now = client_network(address), self._monotonic()
        window = self._windows.get(network)
        if window is None or now - window.began >= _WINDOW_SECONDS:
            window = self._windows[network] = _Window(now)
        return window
