"""Who may call, and what those hear who may not."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from imagerift_core import clock
from imagerift_core.api_keys import hash_token, new_api_key
from imagerift_core.mongo.account_log import ADMIN_COMMAND

from tests.integration.api.harness import PEPPER, Answer, Api, Tenant

JOBS = "/api/v1/jobs"


async def list_with(api: Api, authorization: str | None) -> Answer:
    headers = {} if authorization is None else {"Authorization": authorization}
    return await api.call("GET", JOBS, headers=headers)


@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwdw==", "Bearer", "Bearer  "])
async def test_without_a_key_the_challenge_names_no_error(api: Api, header: str | None) -> None:
    answer = await list_with(api, header)

    assert (answer.status, answer.body["code"]) == (401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="imagerift"'


async def test_a_mistyped_key_is_told_from_an_unknown_one(api: Api, tenant: Tenant) -> None:
    swapped = tenant.token[:-1] + ("a" if tenant.token[-1] != "a" else "b")

    typo = await list_with(api, f"Bearer {swapped}")
    unknown = await list_with(api, f"Bearer {new_api_key().token}")

    for answer in (typo, unknown):
        assert (answer.status, answer.body["code"]) == (401, "invalid_api_key")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert "mistyped" in typo.body["detail"]
    assert "mistyped" not in unknown.body["detail"]


async def revoke(api: Api, tenant: Tenant) -> None:
    await api.stores.keys.revoke(
        tenant.workspace, tenant.key_id, actor=ADMIN_COMMAND, at=clock.now()
    )


async def test_a_forged_secret_under_a_known_id_is_refused(api: Api, tenant: Tenant) -> None:
    await list_with(api, f"Bearer {tenant.token}")
    other = new_api_key()
    stored = await api.stores.keys.get(tenant.key_id)
    assert stored is not None
    forged = stored.model_copy(
        update={"id": other.key_id, "token_hash": hash_token("another", bytes.fromhex(PEPPER))}
    )
    await api.stores.keys.create(forged, actor=ADMIN_COMMAND)

    answer = await list_with(api, f"Bearer {other.token}")

    assert (answer.status, answer.body["code"]) == (401, "invalid_api_key")


async def test_a_revoked_key_stops_within_five_seconds(api: Api, tenant: Tenant) -> None:
    assert (await list_with(api, f"Bearer {tenant.token}")).status == 200
    await revoke(api, tenant)
    revoked_at = time.monotonic()

    answer = await list_with(api, f"Bearer {tenant.token}")
    while answer.status == 200:
        await asyncio.sleep(0.1)
        answer = await list_with(api, f"Bearer {tenant.token}")

    assert time.monotonic() - revoked_at < 60
    assert (answer.status, answer.body["code"]) == (401, "revoked_api_key")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_revoked_key_submits_nothing(api: Api, tenant: Tenant) -> None:
    await revoke(api, tenant)

    answer = await api.generate(tenant)

    assert (answer.status, answer.body["code"]) == (401, "revoked_api_key")
    assert await api.stored(tenant) == []
    assert await api.counted(tenant) == (0, 0)


async def test_an_expired_key_is_refused(api: Api, tenant: Tenant) -> None:
    await api.database.api_keys.update_one(
        {"_id": tenant.key_id}, {"$set": {"expires_at": clock.now() - timedelta(seconds=1)}}
    )

    answer = await list_with(api, f"Bearer {tenant.token}")

    assert (answer.status, answer.body["code"]) == (401, "expired_api_key")


async def test_a_key_without_the_scope_is_refused(api: Api) -> None:
    reader = await api.tenant(scopes=("jobs:read",))

    answer = await api.generate(reader)

    assert (answer.status, answer.body["code"]) == (403, "insufficient_scope")
    assert 'scope="jobs:write"' in answer.headers["WWW-Authenticate"]
    assert await api.stored(reader) == []
    assert (await list_with(api, f"Bearer {reader.token}")).status == 200


@pytest.mark.parametrize("plan", ["free", "starter"])
async def test_a_downgrade_locks_keys_that_exist(api: Api, plan: str) -> None:
    tenant = await api.tenant(plan)

    for answer in (await api.generate(tenant), await list_with(api, f"Bearer {tenant.token}")):
        assert (answer.status, answer.body["code"]) == (403, "api_access_locked")
    assert await api.stored(tenant) == []
    assert await api.counted(tenant) == (0, 0)


async def test_the_use_of_a_key_is_noted(api: Api, tenant: Tenant) -> None:
    await list_with(api, f"Bearer {tenant.token}")

    end = time.monotonic() + 100
    while True:
        key = await api.stores.keys.get(tenant.key_id)
        assert key is not None
        if key.last_used_at is not None:
            break
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


async def test_a_made_up_request_id_is_not_believed(api: Api, tenant: Tenant) -> None:
    headers = tenant.headers | {"X-Request-Id": "req_mine"}

    first = await api.call("GET", JOBS, headers=headers)
    second = await api.call("GET", JOBS, headers=headers)

    ids = {answer.headers["X-Request-Id"] for answer in (first, second)}
    assert len(ids) == 2
    assert all(one.startswith("req_") and one != "req_mine" for one in ids)
