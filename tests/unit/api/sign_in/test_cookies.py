"""Cookies that a browser cannot make: of a sign-in under way, and of a known device."""

from __future__ import annotations

from datetime import timedelta

import pytest
from imagerift_api.sign_in.devices import KnownDevices
from imagerift_api.sign_in.under_way import MINUTES, SignInCookies, SignInUnderWay
from imagerift_core import clock

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_sign_in_comes_back_out_of_its_own_cookie() -> None:
    begun = SignInUnderWay.begun()
    cookies = SignInCookies(KEY)
    sealed = cookies.seal(begun)
    assert cookies.open(sealed) == begun
    assert begun.verifier not in sealed
    assert SignInCookies(OTHER).open(sealed) is None
    assert cookies.open(sealed[:-8] + "AAAAAAA=") is None


@pytest.mark.parametrize("cookie", [None, "", "x", "é", "\udce9", "AAAA", "A" * 5000])
def test_anything_else_is_no_sign_in(cookie: str | None) -> None:
    assert SignInCookies(KEY).open(cookie) is None


def test_a_sign_in_that_took_too_long_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = SignInCookies(KEY).seal(SignInUnderWay.begun())
    late = clock.now() + timedelta(minutes=MINUTES)
    monkeypatch.setattr(clock, "now", lambda: late)
    assert SignInCookies(KEY).open(sealed) is None


def test_a_device_is_known_for_the_name_that_signed_in_there() -> None:
    devices = KnownDevices(KEY)
    first, second = devices.issue("ada"), devices.issue("ada")
    assert devices.read(first, "ada") is not None
    assert devices.read(first, "ada") != devices.read(second, "ada")
    assert devices.read(first, "eve") is None
    assert KnownDevices(OTHER).read(first, "ada") is None


@pytest.mark.parametrize("value", [None, "", "1", "1..", "2.x.y", "1.é.\udce9"])
def test_anything_else_is_no_device(value: str | None) -> None:
    assert KnownDevices(KEY).read(value, "ada") is None
