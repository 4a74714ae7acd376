"""Addresses and names that are nobody's on the public internet.

The lists are whole, since what Python calls global differs from release to release.
Sources: IANA's IPv4 and IPv6 Special-Purpose Address Registries, IPv6 Address Space and IPv4
Multicast registries; for clouds, what each says of the addresses that it answers on inside.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SPECIAL = (
    "0.0.0.0/8",  # this network, RFC 791
    "10.0.0.0/8",  # private use, RFC 1918
    "100.64.0.0/10",  # shared by a provider's customers, RFC 6598; Alibaba Cloud's metadata
    "127.0.0.0/8",  # loopback, RFC 1122
    "169.254.0.0/16",  # link-local, RFC 3927; most clouds' metadata
    "172.16.0.0/12",  # private use, RFC 1918
    "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle Cloud Classic's metadata
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.31.196.0/24",  # AS112, RFC 7535
    "192.52.193.0/24",  # AMT, RFC 7450
    "192.88.99.0/24",  # 6to4 relays, RFC 7526
    "192.168.0.0/16",  # private use, RFC 1918
    "192.175.48.0/24",  # AS112, RFC 7534
    "198.18.0.0/15",  # benchmarks, RFC 2544
    "198.51.100.0/24",  # documentation, RFC 5737
    "203.0.113.0/24",  # documentation, RFC 5737
    "224.0.0.0/3",  # multicast, RFC 5771; reserved, RFC 1112
    # Within global unicast, 2000::/3; every other IPv6 address is refused.
    "2001::/23",  # protocol assignments, RFC 2928, with Teredo and ORCHID
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056
    "2620:4f:8000::/48",  # AS112, RFC 7534
    "3ffe::/16",  # 6bone, RFC 3701
    "3fff::/20",  # documentation, RFC 9637
)
_CLOUDS = (
    # Azure: the host's agent, DNS and health probes (Microsoft, "What is IP address
    # 168.63.129.16?").
    "168.63.129.16/32",
    # IBM Cloud: infrastructure and service endpoints (IBM Cloud VPC, "Service endpoints").
    "161.26.0.0/16",
    "166.8.0.0/14",
    # Google Cloud: restricted and private.googleapis.com (VPC, "Private Google Access").
    "199.36.153.4/30",
    "199.36.153.8/30",
)
_REFUSED: tuple[Network, ...] = tuple(ipaddress.ip_network(n) for n in (*_SPECIAL, *_CLOUDS))
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

# RFC 6761, 6762 with its appendix G, 7686, 8375; ICANN's reservation of `internal` in 2024; the
# `svc` of Kubernetes, whose `cluster.local` is in `local`.
_LOCAL_DOMAINS = (
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localhost",
    "onion",
    "private",
    "svc",
)


def is_public_address(address: Address) -> bool:
    """Mapped, compatible, NAT64, unique-local and link-local IPv6 forms are not."""
    if isinstance(address, ipaddress.IPv6Address) and (
        address.scope_id is not None or address not in _GLOBAL_UNICAST
    ):
        return False
    return not any(address in network for network in _REFUSED)


def is_public_name(name: str) -> bool:
    """Whether `name`, in ASCII and without a dot at its end, could be one of the public DNS."""
    name = name.lower()
    return "." in name and not name.endswith(tuple(f".{domain}" for domain in _LOCAL_DOMAINS))
