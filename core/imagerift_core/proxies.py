"""Which proxy a connection goes through, told by the environment as to every other program.

`HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name proxies (small letters win), `NO_PROXY` what is
reached without one: hosts and their subdomains, `host:port`, addresses and networks (CIDR).
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # unknown to typeshed, not to macOS
    getproxies_environment,
    proxy_bypass_environment,
)


def proxy_to(url: str) -> str | None:
    """The proxy's URL for requests to `url`, None where they go straight to it."""
    address = urlsplit(url)
    host = address.hostname or ""
    proxies = getproxies_environment()
    if _is_loopback(host) or _is_in(proxies.get("no", ""), host):
        return None
    # Of networks the standard library knows nothing.
    if proxy_bypass_environment(address.netloc.rpartition("@")[2], proxies):
        return None
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    """As in Kubernetes' own programs: what a proxy takes for its loopback is not ours."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_in(no_proxy: str, host: str) -> bool:
    """Whether `host` is an address in one of the list's networks; names are not looked up."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if address in ip_network(entry.strip().strip("[]"), strict=False):
                return True
        except ValueError:
            continue
    return False
