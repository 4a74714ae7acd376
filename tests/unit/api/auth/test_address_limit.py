"""What one address may do before anybody is identified."""

from __future__ import annotations

import pytest
from imagerift_api.auth.address_limit import AddressLimit, client_network
from imagerift_core.errors import RateLimited


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        (None, "unknown"),
        ("no address", "unknown"),
    ],
)
def test_an_address_counts_with_the_network_that_one_client_has(
    address: str | None, network: str
) -> None:
    assert client_network(address) == network


def test_a_window_is_a_minute_from_the_first_try_and_each_network_has_its_own() -> None:
    now = 1000.0
    limit = AddressLimit(2, monotonic=lambda: now)
    for _ in range(2):
        limit.check("198.51.100.7")
        limit.count("198.51.100.7")
    limit.check("198.51.100.8")
    now += 59.5
    with pytest.raises(RateLimited) as refused:
        limit.check("198.51.100.7")
    assert refused.value.retry_after_seconds == 1
    now += 0.5
    limit.check("198.51.100.7")


def test_so_many_addresses_are_known_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagerift_api.auth.address_limit._ADDRESSES", 3)
    limit = AddressLimit(1, monotonic=lambda: 0.0)
    for number in range(10):
        limit.count(f"198.51.100.{number}")
    limit.check("198.51.100.0")
    with pytest.raises(RateLimited):
        limit.check("198.51.100.9")
