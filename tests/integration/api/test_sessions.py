"""Account sessions: what they open, and every way of forging one."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from imagerift_api.auth.cookies import SESSION as COOKIE
from imagerift_core import clock

from tests.integration.api.browsers import Browser, signed_in, with_token
from tests.integration.api.harness import Answer, Api
from tests.support.pictures import encode, picture


async def account(api: Api, cookie: str) -> Answer:
    return await api.call("GET", "/api/v1/account", headers={"Cookie": f"{COOKIE}={cookie}"})


def submit_body() -> io.BytesIO:
    body = {"mode": "style", "prompt": "a product", "imageBase64": encode(picture())}
    return io.BytesIO(json.dumps(body).encode())


def claims_of(browser: Browser) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(browser.cookie, options={"verify_signature": False})
    return decoded


async def test_the_account_says_who_is_signed_in_and_what_they_may_do(api: Api) -> None:
    ada = await signed_in(api, plan="pro")

    answer = await ada.call("GET", "/api/v1/account")

    assert answer.status == 200
    assert answer.body["person"]["personId"] == ada.person
    assert answer.body["workspace"]["workspaceId"] == ada.workspace
    assert answer.body["workspace"]["role"] == "owner"
    assert answer.body["plan"]["apiAccess"] is True
    assert answer.body["csrfToken"] == ada.csrf
    assert answer.headers["Cache-Control"] == "no-store"


async def test_without_a_session_nothing_of_an_account_answers(api: Api) -> None:
    for method, path in (
        ("GET", "/api/v1/account"),
        ("GET", "/api/v1/account/keys"),
        ("POST", "/api/v1/account/keys"),
        ("GET", "/api/v1/account/members"),
        ("GET", "/api/v1/account/log"),
        ("DELETE", "/api/v1/account/session"),
    ):
        answer = await api.call(method, path)
        assert (answer.status, answer.body["code"]) == (401, "invalid_session"), path


async def test_an_api_key_opens_no_account(api: Api) -> None:
    tenant = await api.tenant()
    answer = await api.call("GET", "/api/v1/account", headers=tenant.headers)
    assert (answer.status, answer.body["code"]) == (401, "invalid_session")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
async def test_a_token_of_another_algorithm_is_refused(api: Api, algorithm: str) -> None:
    ada = await signed_in(api)
    key = None if algorithm == "none" else api.settings.session_secret()
    forged = jwt.encode(claims_of(ada), key, algorithm=algorithm)  # type: ignore[arg-type]

    assert (await account(api, forged)).status == 401


async def test_a_token_signed_by_somebody_else_is_refused(api: Api) -> None:
    ada = await signed_in(api)
    for key in (b"k" * 32, api.settings.pepper(), api.settings.webhook_secret()):
        forged = jwt.encode(claims_of(ada), key, algorithm="HS256")
        assert (await account(api, forged)).status == 401


async def test_a_token_with_changed_claims_is_refused(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    header, _, signature = eve.cookie.split(".")
    claims = base64.urlsafe_b64encode(json.dumps(claims_of(ada)).encode()).rstrip(b"=").decode()

    assert (await account(api, f"{header}.{claims}.{signature}")).status == 401


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "ws", "jti", "exp"])
async def test_a_token_that_lacks_a_claim_is_refused(api: Api, missing: str) -> None:
    ada = await signed_in(api)
    claims = {name: value for name, value in claims_of(ada).items() if name != missing}
    forged = jwt.encode(claims, api.settings.session_secret(), algorithm="HS256")

    assert (await account(api, forged)).status == 401


async def test_an_expired_session_is_refused(api: Api) -> None:
    ada = await signed_in(api)
    past = {"exp": clock.now() - timedelta(seconds=1)}
    old = jwt.encode(claims_of(ada) | past, api.settings.session_secret(), algorithm="HS256")

    answer = await account(api, old)

    assert (answer.status, answer.body["code"]) == (401, "invalid_session")


async def test_signing_out_ends_the_session_for_good(api: Api) -> None:
    ada = await signed_in(api)

    answer = await ada.call("DELETE", "/api/v1/account/session")

    assert answer.status == 204
    assert f'{COOKIE}=""' in answer.headers["Set-Cookie"]
    assert (await account(api, ada.cookie)).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"X-CSRF-Token": "é"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
async def test_a_change_from_another_site_is_refused(api: Api, headers: dict[str, str]) -> None:
    ada = await signed_in(api)

    for path in ("/api/v1/account/keys", "/api/v1/generate"):
        answer = await api.call("POST", path, json={"name": "k"}, headers=ada.headers | headers)
        assert (answer.status, answer.body["code"]) == (403, "cross_site_request")

    assert await api.stores.keys.all_of(ada.workspace) == []


async def test_a_csrf_token_belongs_to_one_session(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    headers = ada.headers | {"X-CSRF-Token": eve.csrf}
    answer = await api.call("POST", "/api/v1/account/keys", json={"name": "k"}, headers=headers)
    assert answer.body["code"] == "cross_site_request"


async def test_somebody_who_was_removed_is_out_at_once(api: Api) -> None:
    ada = await signed_in(api)
    await api.database.members.delete_one({"_id": f"{ada.workspace}:{ada.person}"})
    assert (await ada.call("GET", "/api/v1/account")).status == 401
    assert (await ada.call("GET", "/api/v1/jobs")).status == 401


async def test_a_plan_change_holds_from_the_next_request_on(api: Api) -> None:
    ada = await signed_in(api, plan="pro")
    assert (await ada.call("GET", "/api/v1/account")).body["plan"]["apiAccess"] is True
    await api.stores.workspaces.set_plan(ada.workspace, "free")
    assert (await ada.call("GET", "/api/v1/account")).body["plan"]["apiAccess"] is False


async def test_a_session_generates_even_on_free_within_its_limits_and_quota(api: Api) -> None:
    ada = await signed_in(api, plan="free")

    accepted = await ada.call("POST", "/api/v1/generate", data=submit_body())

    assert accepted.status == 202, accepted.body
    assert accepted.body["quota"]["scope"] == "account"
    assert "RateLimit" in accepted.headers
    job = await ada.call("GET", f"/api/v1/jobs/{accepted.body['jobId']}")
    assert job.status == 200
    listed = await ada.call("GET", "/api/v1/jobs")
    assert [item["jobId"] for item in listed.body["data"]] == [accepted.body["jobId"]]
    large = {"mode": "style", "prompt": "p", "imageBase64": encode(picture()), "exportSize": "2k"}
    refused = await ada.call(
        "POST", "/api/v1/generate", data=io.BytesIO(json.dumps(large).encode())
    )
    assert (refused.status, refused.body["code"]) == (403, "export_not_permitted")


async def test_what_people_do_on_the_pages_uses_nothing_of_their_keys_rate(
    api: Api, one_minute: datetime
) -> None:
    ada = await signed_in(api, plan="pro")
    key = await ada.create_key()
    limit = api.plans["pro"].requests_per_minute
    for path in ("account", "account/overview", "account/keys", "modes", "usage", "webhooks"):
        assert (await ada.call("GET", f"/api/v1/{path}")).status == 200
    submitted = await ada.call("POST", "/api/v1/generate", data=submit_body())

    by_key = await api.call("GET", "/api/v1/jobs", **with_token(key["token"]))

    assert submitted.body["rateLimit"] == {"remainingThisMinute": limit - 1}
    assert f";r={limit - 1};" in by_key.headers["RateLimit"]


async def test_a_session_uses_up_the_same_quota(api: Api) -> None:
    ada = await signed_in(api, plan="free")
    limit = api.plans["free"].units_per_month

    answers = [
        await ada.call("POST", "/api/v1/generate", data=submit_body()) for _ in range(limit + 1)
    ]

    assert [answer.status for answer in answers] == [202] * limit + [402]


async def test_a_session_sees_its_own_workspace_alone(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    accepted = await ada.call("POST", "/api/v1/generate", data=submit_body())
    path = f"/api/v1/jobs/{accepted.body['jobId']}"

    for method, address in (("GET", path), ("POST", f"{path}/cancel")):
        answer = await eve.call(method, address)
        assert (answer.status, answer.body["code"]) == (404, "job_not_found")


async def test_a_key_beats_the_cookie(api: Api) -> None:
    """Whoever sends a key means it: a wrong one is refused, whatever the cookie says."""
    ada = await signed_in(api)
    headers = ada.headers | {"Authorization": "Bearer nonsense"}
    answer = await api.call("GET", "/api/v1/jobs", headers=headers)
    assert (answer.status, answer.body["code"]) == (401, "invalid_api_key")


async def test_going_on_in_another_workspace_needs_a_membership(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)

    refused = await ada.call(
        "POST", "/api/v1/account/workspace", json={"workspaceId": eve.workspace}
    )
    stayed = await ada.call(
        "POST", "/api/v1/account/workspace", json={"workspaceId": ada.workspace}
    )

    assert (refused.status, refused.body["code"]) == (404, "workspace_not_found")
    assert stayed.status == 204
    assert (await ada.call("GET", "/api/v1/account")).status == 401


async def test_two_first_sign_ins_at_once_make_one_account(api: Api) -> None:
    found = await asyncio.gather(
        *(
            api.stores.people.sign_up(
                issuer="https://twice.example",
                subject="same",
                name="N",
                email=None,
                plan="free",
                address=None,
                at=clock.now(),
            )
            for _ in range(5)
        )
    )
    assert len({person.id for person in found}) == 1
    assert len(await api.stores.members.of_person(found[0].id)) == 1


async def test_two_first_sign_ins_of_an_invited_person_make_one_account(api: Api) -> None:
    found = await asyncio.gather(
        *(
            api.stores.people.add(
                issuer="https://twice.example",
                subject="invited",
                name="N",
                email=None,
                home="ws_theirs",
                at=clock.now(),
            )
            for _ in range(5)
        )
    )
    assert len({person.id for person in found}) == 1
