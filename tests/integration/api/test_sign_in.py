"""Signing in: OpenID Connect at a real issuer on loopback, and the built-in issuer."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from imagerift_api.auth.cookies import SESSION as COOKIE
from imagerift_core import clock
from imagerift_core.mongo.people import PAUSE

from tests.integration.api.browsers import plain_session
from tests.integration.api.harness import Answer, Api, settings_of
from tests.support.oidc_issuer import Issuer
from tests.support.server_processes import free_port

PASSWORD = "correct horse battery"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as running:
        yield running


@pytest.fixture
async def site(environment: dict[str, str], issuer: Issuer, tmp_path: Path) -> AsyncIterator[Api]:
    """A replica whose people sign in at `issuer`, or with a password."""
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"demo": PasswordHasher(time_cost=1).hash(PASSWORD)}))
    settings = settings_of(
        environment,
        public_url=f"http://127.0.0.1:{free_port()}",
        oidc_issuer=issuer.url,
        oidc_client_id=issuer.client_id,
        oidc_client_secret=issuer.client_secret,
        oidc_open=True,
        sign_in_users_file=users,
    )
    async with Api(settings) as replica:
        await replica.until_ready()
        yield replica


async def follow(site: Api, path: str, cookie: str = "") -> Answer:
    return await site.call("GET", path, headers={"Cookie": cookie}, allow_redirects=False)


async def begin(site: Api) -> tuple[str, str]:
    """The issuer's address to go to, and the cookie of the browser that begins."""
    begun = await follow(site, "/account/sign-in")
    assert begun.status == 303
    cookie = SimpleCookie(begun.headers["Set-Cookie"])["imagerift_sign_in"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    return begun.headers["Location"], f"imagerift_sign_in={cookie.value}"


async def approve(address: str) -> str:
    """What the issuer sends the browser back to, as a path."""
    async with plain_session() as http, http.get(address, allow_redirects=False) as answer:
        location = urlsplit(answer.headers["Location"])
        return f"{location.path}?{location.query}"


async def sign_in(site: Api) -> Answer:
    address, cookie = await begin(site)
    return await follow(site, await approve(address), cookie)


def session_of(answer: Answer) -> str | None:
    for header in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
        cookie = SimpleCookie(header)
        if COOKIE in cookie and cookie[COOKIE].value:
            assert cookie[COOKIE]["httponly"]
            assert cookie[COOKIE]["samesite"] == "Lax"
            return f"{COOKIE}={cookie[COOKIE].value}"
    return None


def assert_refused(answer: Answer) -> None:
    assert answer.status == 303
    assert answer.headers["Location"] == "/account#refused=sign_in_failed"
    assert session_of(answer) is None


async def test_the_first_sign_in_makes_a_free_account_and_the_next_finds_it(
    site: Api, issuer: Issuer
) -> None:
    issuer.subject = secrets.token_hex(4)

    first, second = await sign_in(site), await sign_in(site)

    accounts = []
    for answer in (first, second):
        assert answer.headers["Location"] == "/account"
        accounts.append(await follow(site, "/api/v1/account", session_of(answer) or ""))
    assert accounts[0].body["plan"]["name"] == "free"
    assert accounts[0].body["workspace"]["role"] == "owner"
    assert accounts[0].body["person"] == accounts[1].body["person"]
    assert accounts[0].body["person"]["name"] == "Ada Lovelace"


async def test_who_was_removed_everywhere_gets_a_workspace_of_their_own_but_not_again_and_again(
    site: Api, issuer: Issuer
) -> None:
    issuer.subject = secrets.token_hex(4)
    places = []
    for _ in range(2):
        account = await follow(site, "/api/v1/account", session_of(await sign_in(site)) or "")
        assert account.body["workspace"]["role"] == "owner"
        assert account.body["plan"]["name"] == "free"
        places.append(account.body["workspace"]["workspaceId"])
        await site.database.members.delete_many({"person": account.body["person"]["personId"]})
    assert len(set(places)) == 2

    refused = await sign_in(site)

    assert refused.headers["Location"] == "/account#refused=no_workspace_left"
    assert session_of(refused) is None
    person = account.body["person"]["personId"]
    assert await site.database.members.count_documents({"person": person}) == 0
    await site.database.people.update_one(
        {"_id": person}, {"$set": {"rehomed_at": clock.now() - PAUSE}}
    )
    assert session_of(await sign_in(site)) is not None


async def test_the_identity_is_issuer_and_subject_and_never_the_email(
    site: Api, issuer: Issuer
) -> None:
    issuer.subject = secrets.token_hex(4)
    ada = await follow(site, "/api/v1/account", session_of(await sign_in(site)) or "")
    issuer.subject = secrets.token_hex(4)
    eve = await follow(site, "/api/v1/account", session_of(await sign_in(site)) or "")

    assert ada.body["person"]["email"] == eve.body["person"]["email"]
    assert ada.body["person"]["personId"] != eve.body["person"]["personId"]
    assert ada.body["workspace"]["workspaceId"] != eve.body["workspace"]["workspaceId"]


async def test_the_request_to_the_issuer_has_pkce_state_and_nonce(site: Api) -> None:
    first, second = [parse_qs(urlsplit((await begin(site))[0]).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]
    assert first["code_challenge_method"] == ["S256"]


async def test_a_callback_works_once(site: Api) -> None:
    address, cookie = await begin(site)
    callback = await approve(address)
    assert session_of(await follow(site, callback, cookie))
    assert_refused(await follow(site, callback, cookie))


async def test_a_callback_works_only_in_the_browser_that_began(site: Api) -> None:
    """Otherwise somebody could sign a victim in to an account of theirs."""
    address, _ = await begin(site)
    _, other = await begin(site)
    callback = await approve(address)
    assert_refused(await follow(site, callback, other))
    address, _ = await begin(site)
    assert_refused(await follow(site, await approve(address)))


async def test_a_state_that_was_never_given_is_refused(site: Api) -> None:
    address, cookie = await begin(site)
    callback = await approve(address)
    code = parse_qs(urlsplit(callback).query)["code"][0]
    for state in ("", "made-up"):
        assert_refused(
            await follow(site, f"/account/sign-in/callback?code={code}&state={state}", cookie)
        )


async def test_a_code_of_another_sign_in_is_refused(site: Api) -> None:
    """PKCE: the code belongs to the verifier that it was asked for with."""
    first, first_cookie = await begin(site)
    second, _ = await begin(site)
    state = parse_qs(urlsplit(first).query)["state"][0]
    stolen = parse_qs(urlsplit(await approve(second)).query)["code"][0]
    callback = f"/account/sign-in/callback?code={stolen}&state={state}"
    assert_refused(await follow(site, callback, first_cookie))


async def test_an_answer_of_another_issuer_is_refused(site: Api, issuer: Issuer) -> None:
    address, cookie = await begin(site)
    callback = (await approve(address)).replace(issuer.url, "https://other.example")
    assert_refused(await follow(site, callback, cookie))


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://other.example"},
        {"aud": "another-client"},
        {"aud": ["imagerift-test", "another-client"]},
        {"azp": "another-client"},
        {"exp": 1},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_that_says_anything_else_is_refused(
    site: Api, issuer: Issuer, claims: dict[str, Any]
) -> None:
    issuer.claims = claims
    assert_refused(await sign_in(site))


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp", "iat", "nonce"])
async def test_a_token_that_lacks_a_claim_is_refused(
    site: Api, issuer: Issuer, missing: str
) -> None:
    issuer.without = (missing,)
    assert_refused(await sign_in(site))


async def test_an_expired_token_is_refused(site: Api, issuer: Issuer) -> None:
    issuer.claims = {"exp": clock.now() - timedelta(minutes=2)}
    assert_refused(await sign_in(site))


async def test_a_token_signed_with_another_key_is_refused(site: Api, issuer: Issuer) -> None:
    issuer.forged_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert_refused(await sign_in(site))


async def test_an_unsigned_token_is_refused(site: Api, issuer: Issuer) -> None:
    issuer.algorithm = "none"
    assert_refused(await sign_in(site))


async def test_a_public_key_is_never_taken_for_a_shared_secret(
    site: Api, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Algorithm confusion: HS256 under the public key, which everybody knows."""
    public = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hmac = jwt.algorithms.HMACAlgorithm
    monkeypatch.setattr(hmac, "prepare_key", lambda _self, key: key)
    issuer.algorithm, issuer.forged_key = "HS256", public
    assert_refused(await sign_in(site))


async def test_the_issuers_keys_are_cached_and_follow_a_rotation(
    site: Api, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert session_of(await sign_in(site))
    assert issuer.jwks_reads == 1

    issuer.rotate()
    # An unknown key is asked for, though not at every sign-in.
    assert_refused(await sign_in(site))
    assert issuer.jwks_reads == 1
    monkeypatch.setattr("imagerift_api.sign_in.oidc._REFETCH_SECONDS", 0.0)
    assert session_of(await sign_in(site))
    assert issuer.jwks_reads == 2


async def test_an_issuer_that_is_away_says_so(site: Api, issuer: Issuer) -> None:
    await issuer.__aexit__()
    answer = await follow(site, "/account/sign-in")
    assert (answer.status, answer.body["code"]) == (503, "capacity_unavailable")


async def with_password(site: Api, name: str, password: str, **headers: str) -> Answer:
    return await site.call(
        "POST",
        "/api/v1/account/session",
        json={"name": name, "password": password},
        headers={"Origin": site.settings.public_url or "", **headers},
    )


async def test_the_built_in_issuer_signs_in_with_the_right_password_alone(site: Api) -> None:
    right = await with_password(site, "demo", PASSWORD)
    assert right.status == 204
    account = await follow(site, "/api/v1/account", session_of(right) or "")
    assert account.body["person"]["name"] == "demo"
    for name, password in (("demo", "wrong"), ("nobody", PASSWORD), ("demo", "x" * 1024)):
        answer = await with_password(site, name, password)
        assert (answer.status, answer.body["code"]) == (401, "sign_in_failed")
        assert session_of(answer) is None


async def test_a_password_from_another_site_is_refused(site: Api) -> None:
    answer = await with_password(site, "demo", PASSWORD, Origin="https://evil.example")
    assert (answer.status, answer.body["code"]) == (403, "cross_site_request")


async def test_no_way_of_signing_in_is_on_unless_it_is_set(api: Api) -> None:
    ways = await api.call("GET", "/api/v1/account/sign-in")
    assert ways.body == {"password": False, "oidcUrl": None}
    refused = await api.call(
        "POST",
        "/api/v1/account/session",
        json={"name": "demo", "password": PASSWORD},
        headers={"Origin": api.base_url},
    )
    assert (refused.status, refused.body["code"]) == (401, "sign_in_failed")
    begun = await follow(api, "/account/sign-in")
    assert (begun.status, begun.body["code"]) == (401, "sign_in_failed")


async def test_signing_in_is_in_the_log_with_the_address(site: Api, issuer: Issuer) -> None:
    issuer.subject = secrets.token_hex(4)
    session = session_of(await sign_in(site)) or ""

    log = await follow(site, "/api/v1/account/log", session)

    assert [entry["action"] for entry in log.body["data"]] == [
        "account.signed_in",
        "account.created",
    ]
    assert {entry["actor"]["address"] for entry in log.body["data"]} == {"127.0.0.1"}
    person = await site.stores.people.find(issuer.url, issuer.subject)
    assert person is not None
    assert log.body["data"][0]["actor"]["id"] == person.id
