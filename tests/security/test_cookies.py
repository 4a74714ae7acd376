"""Cookies that a neighbour's host or a connection in the clear would like to set or to read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from tests.integration.api.browsers import signed_in
from tests.integration.api.harness import Answer, Api, settings_of
from tests.integration.api.test_sign_in import PASSWORD, issuer
from tests.support.oidc_issuer import Issuer

__all__ = ["issuer"]

URL = "https://images.example"
ACCOUNT = "/api/v1/account"


@pytest.fixture
async def secure(environment: dict[str, str], issuer: Issuer, tmp_path: Path) -> AsyncIterator[Api]:
    """A replica that browsers reach by https alone."""
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"demo": PasswordHasher(time_cost=1).hash(PASSWORD)}))
    settings = settings_of(
        environment,
        public_url=URL,
        oidc_issuer=issuer.url,
        oidc_client_id=issuer.client_id,
        sign_in_users_file=users,
    )
    async with Api(settings) as replica:
        await replica.until_ready()
        yield replica


def cookies_of(answer: Answer) -> dict[str, Morsel[str]]:
    found: dict[str, Morsel[str]] = {}
    for header in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
        found |= SimpleCookie(header)
    return found


def assert_of_this_host_alone(cookie: Morsel[str]) -> None:
    """What a browser asks of a name with `__Host-`, without which it drops the cookie."""
    assert cookie.key.startswith("__Host-")
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert cookie["secure"]


async def test_behind_tls_every_cookie_is_this_hosts_alone(secure: Api) -> None:
    body = {"name": "demo", "password": PASSWORD}
    signed = await secure.call("POST", f"{ACCOUNT}/session", json=body, headers={"Origin": URL})
    begun = await secure.call("GET", "/account/sign-in", allow_redirects=False)
    refused = await secure.call("GET", "/account/sign-in/callback", allow_redirects=False)

    assert cookies_of(signed).keys() == {"__Host-imagerift_session", "__Host-imagerift_device"}
    assert cookies_of(begun).keys() == {"__Host-imagerift_sign_in"}
    for cookie in (cookies_of(signed) | cookies_of(begun)).values():
        assert_of_this_host_alone(cookie)
        assert cookie["httponly"]
        assert cookie["samesite"] in ("Lax", "Strict")
    # Browsers hold a deletion to the same.
    assert cookies_of(refused)
    for cookie in cookies_of(refused).values():
        assert_of_this_host_alone(cookie)


async def test_a_sign_in_ends_the_session_that_the_browser_had(secure: Api) -> None:
    body = {"name": "demo", "password": PASSWORD}

    async def sign_in(cookie: str) -> str:
        headers = {"Origin": URL, "Cookie": cookie}
        answer = await secure.call("POST", f"{ACCOUNT}/session", json=body, headers=headers)
        assert answer.status == 204
        return f"__Host-imagerift_session={cookies_of(answer)['__Host-imagerift_session'].value}"

    first = await sign_in("")
    second = await sign_in(first)
    # What is no session of anybody's is no matter.
    third = await sign_in("__Host-imagerift_session=x")

    for cookie, status in ((first, 401), (second, 200), (third, 200)):
        assert (await secure.call("GET", ACCOUNT, headers={"Cookie": cookie})).status == status


async def test_behind_tls_no_cookie_by_another_name_opens_a_session(secure: Api) -> None:
    ada = await signed_in(secure)
    planted = {"Cookie": f"imagerift_session={ada.cookie}"}

    for path in (ACCOUNT, "/api/v1/jobs"):
        assert (await secure.call("GET", path, headers=planted)).status == 401
        assert (await ada.call("GET", path)).status == 200


async def test_signing_out_ends_the_cookie_and_clears_what_the_pages_kept(secure: Api) -> None:
    ada = await signed_in(secure)

    answer = await ada.call("DELETE", f"{ACCOUNT}/session")

    cookie = cookies_of(answer)["__Host-imagerift_session"]
    assert_of_this_host_alone(cookie)
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
