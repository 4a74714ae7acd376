"""Wrong passwords: nobody guesses fast, and nobody locks others out by guessing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from http.cookies import SimpleCookie

import pytest
from argon2 import PasswordHasher

from tests.integration.api.conftest import one_minute
from tests.integration.api.harness import Answer, Api
from tests.integration.api.test_sign_in import PASSWORD, issuer, site, with_password

__all__ = ["issuer", "one_minute", "site"]


@pytest.fixture
async def fresh_windows(site: Api, one_minute: datetime) -> AsyncIterator[datetime]:
    """One minute in which nobody has tried a password yet."""
    await site.database.rate_windows.delete_many({"_id": {"$regex": "^sign-in:"}})
    yield one_minute
    await site.database.rate_windows.delete_many({"_id": {"$regex": "^sign-in:"}})


def device_of(answer: Answer) -> str:
    """The cookie that a browser keeps after a sign-in by password."""
    for header in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
        cookie = SimpleCookie(header)
        if "imagerift_device" in cookie:
            assert cookie["imagerift_device"]["httponly"]
            assert cookie["imagerift_device"]["samesite"] == "Strict"
            return f"imagerift_device={cookie['imagerift_device'].value}"
    raise AssertionError("no device cookie")


@pytest.mark.usefixtures("fresh_windows")
async def test_passwords_cannot_be_guessed_fast(site: Api) -> None:
    answers = [await with_password(site, "demo", f"guess {number}") for number in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert (await with_password(site, "demo", PASSWORD)).status == 429


@pytest.mark.usefixtures("fresh_windows")
async def test_a_name_that_does_not_exist_costs_as_much_as_one_that_does(
    site: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes the time is the hash: as many of them, of the same cost."""
    checked: list[str] = []
    verify = PasswordHasher.verify

    def counted(hasher: PasswordHasher, hashed: str, password: str) -> bool:
        checked.append(hashed.partition("$m=")[0])
        return verify(hasher, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for name in ("demo", "nobody"):
        answer = await with_password(site, name, "wrong")
        assert (answer.status, answer.body["code"]) == (401, "sign_in_failed")

    known, unknown = checked
    assert known == unknown


@pytest.mark.usefixtures("fresh_windows")
async def test_right_passwords_use_up_nothing(site: Api) -> None:
    for _ in range(12):
        assert (await with_password(site, "demo", PASSWORD)).status == 204
    rows = site.database.rate_windows.find({"_id": {"$regex": "^sign-in:"}})
    assert {row["count"] async for row in rows} == {0}


@pytest.mark.usefixtures("fresh_windows")
async def test_wrong_tries_for_other_names_lock_nobody_out(site: Api) -> None:
    tried = [await with_password(site, f"nobody-{number}", "x") for number in range(12)]
    assert [answer.status for answer in tried] == [401] * 10 + [429] * 2
    assert (await with_password(site, "demo", PASSWORD)).status == 204


@pytest.mark.usefixtures("fresh_windows")
async def test_wrong_tries_from_elsewhere_lock_nobody_out_of_a_browser_they_know(
    site: Api,
) -> None:
    known = device_of(await with_password(site, "demo", PASSWORD))
    for number in range(12):
        await with_password(site, "demo", f"guess {number}")
    assert (await with_password(site, "demo", PASSWORD)).status == 429

    assert (await with_password(site, "demo", PASSWORD, Cookie=known)).status == 204

    # The browser's own tries are counted, and apart.
    answers = [await with_password(site, "demo", f"g{n}", Cookie=known) for n in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]


@pytest.mark.usefixtures("fresh_windows")
@pytest.mark.parametrize(
    "cookie", ["imagerift_device=1.00.00", "imagerift_device=", "imagerift_device=1.\u00e9.x"]
)
async def test_a_made_up_device_is_none(site: Api, cookie: str) -> None:
    for number in range(10):
        await with_password(site, "demo", f"guess {number}")
    assert (await with_password(site, "demo", PASSWORD, Cookie=cookie)).status == 429
