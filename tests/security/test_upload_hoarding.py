"""Uploads that nobody uses: a workspace keeps no more of them than its plan lets it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from imagerift_core import clock
from imagerift_core.mongo.uploads import Upload

from tests.integration.api.harness import Answer, Api, Tenant

LIMIT = 10_000
PLACE = {"sizeBytes": 3000, "contentType": "image/png"}


async def make(api: Api, tenant: Tenant, size: int = 3000, *, key: str | None = None) -> Answer:
    return await api.call(
        "POST",
        "/api/v1/uploads",
        json=PLACE | {"sizeBytes": size},
        headers=tenant.headers | ({"Idempotency-Key": key} if key else {}),
    )


async def places(api: Api, tenant: Tenant) -> int:
    return await api.database.uploads.count_documents({"workspace": tenant.workspace})


async def test_places_are_made_up_to_the_plans_bytes_and_none_beyond(api: Api) -> None:
    tenant, other = await api.tenant("hoarder"), await api.tenant("hoarder")

    answers = await asyncio.gather(*(make(api, tenant) for _ in range(25)))

    assert sorted(answer.status for answer in answers) == [201] * 3 + [429] * 22
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.body["code"] == "uploads_full"
    assert (refused.body["limit"], refused.body["retryable"]) == (LIMIT, True)
    assert int(refused.headers["Retry-After"]) >= 1
    assert await places(api, tenant) == 3
    assert (await make(api, tenant, 1000)).status == 201
    never = await make(api, tenant, LIMIT + 1)
    assert (never.status, never.body["retryable"]) == (429, False)
    assert (await make(api, other)).status == 201


async def test_a_place_that_is_over_makes_room_and_only_once(api: Api) -> None:
    tenant = await api.tenant("hoarder")
    made = [(await make(api, tenant)).body["imageKey"] for _ in range(3)]
    assert (await make(api, tenant)).status == 429
    late = clock.now() + timedelta(days=2)

    for _ in range(3):
        await api.stores.uploads.forget(made[0], at=late)

    assert (await make(api, tenant)).status == 201
    assert (await make(api, tenant)).status == 429
    assert await api.stores.audit.differences() == []


async def test_a_refused_place_leaves_its_idempotency_key_free(api: Api) -> None:
    tenant = await api.tenant("hoarder")
    made = [(await make(api, tenant)).body["imageKey"] for _ in range(3)]
    assert (await make(api, tenant, key="one")).status == 429
    await api.stores.uploads.forget(made[0], at=clock.now() + timedelta(days=2))

    first, second = await make(api, tenant, key="one"), await make(api, tenant, key="one")

    assert (first.status, second.status) == (201, 201)
    assert first.body["imageKey"] == second.body["imageKey"]
    assert await places(api, tenant) == 3


@pytest.mark.parametrize("older", [1, 3])
async def test_places_from_before_they_were_counted_count(api: Api, older: int) -> None:
    tenant = await api.tenant("hoarder")
    at = clock.now()
    for number in range(older):
        upload = Upload(
            _id=f"img_{tenant.workspace}_{number}",
            workspace=tenant.workspace,
            namespace="n",
            key="k",
            content_type="image/png",
            size_bytes=3000,
            created_at=at,
            expires_at=at + timedelta(hours=1),
        )
        await api.database.uploads.insert_one(upload.model_dump(by_alias=True))

    answers = [await make(api, tenant) for _ in range(3)]

    assert [a.status for a in answers] == [201] * (3 - older) + [429] * older
    assert await api.stores.audit.differences() == []
