"""Whoever tries things leaves a trace: one event a refusal, with nothing secret in it."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from imagerift_core.api_keys import new_api_key
from structlog.testing import capture_logs

from tests.integration.api.browsers import joined, signed_in, with_token
from tests.integration.api.harness import Api, Tenant
from tests.integration.api.test_sign_in import (
    PASSWORD,
    approve,
    begin,
    follow,
    issuer,
    site,
    with_password,
)

__all__ = ["issuer", "site"]


def refused(logs: list[Any]) -> list[dict[str, Any]]:
    return [dict(line) for line in logs if line["event"] == "refused"]


async def test_a_wrong_key_is_told_with_its_route_and_address_alone(api: Api) -> None:
    token = new_api_key().token
    with capture_logs() as logs:
        await api.call("GET", "/api/v1/jobs/0?q=private", **with_token(token))
    (event,) = refused(logs)
    assert event["code"] == "invalid_api_key"
    assert (event["status"], event["method"], event["log_level"]) == (401, "GET", "warning")
    assert (event["route"], event["address"]) == ("/api/v1/jobs/{job_id}", "127.0.0.1")
    assert token not in json.dumps(logs)
    assert "private" not in json.dumps(logs)


async def test_a_key_that_may_not_is_told_by_its_id(api: Api) -> None:
    tenant = await api.tenant(scopes=("jobs:read",))
    with capture_logs() as logs:
        await api.generate(tenant)
    (event,) = refused(logs)
    assert (event["code"], event["status"]) == ("insufficient_scope", 403)
    assert (event["workspace"], event["key"]) == (tenant.workspace, tenant.key_id)
    assert tenant.token not in json.dumps(logs)


async def test_a_member_that_may_not_is_told_by_their_id(api: Api) -> None:
    owner = await signed_in(api)
    member = await joined(api, owner, "member")
    with capture_logs() as logs:
        await member.call("GET", "/api/v1/account/log")
        await api.call(
            "POST", "/api/v1/account/keys", headers=member.headers | {"Origin": "https://evil.x"}
        )
    denied, forged = refused(logs)
    assert (denied["code"], denied["person"]) == ("role_not_permitted", member.person)
    assert denied["workspace"] == owner.workspace
    assert forged["code"] == "cross_site_request"
    assert member.cookie not in json.dumps(logs)


async def test_wrong_passwords_are_told_without_what_was_typed(site: Api) -> None:
    with capture_logs() as logs:
        await with_password(site, "typed-in-the-wrong-field", "hunter2")
        await with_password(site, "demo", PASSWORD)
    (event,) = refused(logs)
    assert (event["code"], event["route"]) == ("sign_in_failed", "/api/v1/account/session")
    for typed in ("typed-in-the-wrong-field", "hunter2", PASSWORD):
        assert typed not in json.dumps(logs)


async def test_a_sign_in_that_the_issuer_did_not_vouch_for_is_told(site: Api) -> None:
    address, cookie = await begin(site)
    path = await approve(address)
    with capture_logs() as logs:
        await follow(site, path.replace("state=", "state=x"), cookie)
    (event,) = refused(logs)
    assert (event["code"], event["route"]) == ("sign_in_failed", "/account/sign-in/callback")
    assert path.partition("code=")[2][:20] not in json.dumps(logs)


async def test_too_much_is_told(api: Api, tenant: Tenant) -> None:
    with capture_logs() as logs:
        await api.call(
            "POST", "/api/v1/uploads", data=io.BytesIO(b" " * 2_000_000), headers=tenant.headers
        )
    (event,) = refused(logs)
    assert (event["code"], event["workspace"]) == ("payload_too_large", tenant.workspace)


async def test_what_is_not_found_or_wrong_is_told_by_the_requests_own_line(
    api: Api, tenant: Tenant
) -> None:
    with capture_logs() as logs:
        await api.call("GET", "/api/v1/jobs/0", headers=tenant.headers)
        await api.call("GET", "/api/v1/jobs?status[$ne]=x", headers=tenant.headers)
        await api.call("GET", "/api/v1/jobs", headers=tenant.headers)
    assert refused(logs) == []
    lines = [line.get("code") for line in logs if line["event"] == "request"]
    assert lines == ["job_not_found", "invalid_request", None]


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["two lengths", "no length"],
)
async def test_what_is_no_http_is_told(api: Api, sent: bytes) -> None:
    address = urlsplit(api.base_url)
    with capture_logs() as logs:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(sent)
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
    (event,) = refused(logs)
    assert (event["code"], event["status"], event["address"]) == ("not_http", 400, "127.0.0.1")
