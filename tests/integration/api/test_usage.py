"""Usage: the counter, what each key was charged for, and the ledger page by page."""

from __future__ import annotations

import pytest
from imagerift_core import clock, quota

from tests.integration.api.harness import Answer, Api, Tenant
from tests.integration.api.test_generate import finished_job


async def usage(api: Api, tenant: Tenant, query: str = "") -> Answer:
    return await api.call("GET", f"/api/v1/usage{query}", headers=tenant.headers)


async def test_a_new_workspace_has_used_nothing(api: Api, tenant: Tenant) -> None:
    answer = await usage(api, tenant)

    assert answer.status == 200
    assert answer.body["period"] == quota.period_of(clock.now())
    assert answer.body["quota"] == {
        "scope": "team",
        "limit": 1000,
        "charged": 0,
        "reserved": 0,
        "remaining": 1000,
    }
    assert answer.body["ledger"] == {"data": [], "nextCursor": None}
    assert answer.body["resetsAt"].endswith("-01T00:00:00.000Z")


async def test_the_ledger_shows_each_charged_output_once(api: Api, tenant: Tenant) -> None:
    ended = [(await finished_job(api, tenant)).id for _ in range(5)]
    await api.generate(tenant, variations=3)

    rows, query = [], "?limit=2"
    while True:
        page = (await usage(api, tenant, query)).body
        rows += page["ledger"]["data"]
        if page["ledger"]["nextCursor"] is None:
            break
        query = f"?limit=2&cursor={page['ledger']['nextCursor']}"

    assert [row["jobId"] for row in rows] == ended[::-1]
    assert {row["keyId"] for row in rows} == {tenant.key_id}
    assert page["quota"] | {"limit": 0, "scope": ""} == {
        "scope": "",
        "limit": 0,
        "charged": 5,
        "reserved": 3,
        "remaining": 995,
    }
    assert page["keys"] == [{"keyId": tenant.key_id, "units": 5}]
    assert page["periods"] == [{"period": page["period"], "charged": 5, "reserved": 3}]


async def test_another_plan_finds_what_was_charged_before(api: Api, tenant: Tenant) -> None:
    await finished_job(api, tenant)
    await api.stores.workspaces.set_plan(tenant.workspace, "pro")
    other = Tenant(tenant.workspace, tenant.token, tenant.key_id, api.plans["pro"])

    async def seen() -> Answer:
        return await usage(api, other)

    answer = await seen()
    while answer.body["plan"] != "pro":
        answer = await seen()

    assert answer.body["quota"]["scope"] == "account"
    assert answer.body["quota"]["charged"] == 1


async def test_only_ones_own_usage_is_seen(api: Api, tenant: Tenant) -> None:
    other = await api.tenant()
    await finished_job(api, other)

    body = (await usage(api, tenant)).body

    assert (body["quota"]["charged"], body["keys"], body["ledger"]["data"]) == (0, [], [])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?period=2026-13", "period"),
        ("?period=now", "period"),
        ("?period=2026-11&period=2026-10", "period"),
        ("?limit=0", "limit"),
        ("?cursor=nonsense", "cursor"),
        ("?month=5", "month"),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(
    api: Api, tenant: Tenant, query: str, param: str
) -> None:
    answer = await usage(api, tenant, query)

    assert (answer.status, answer.body["param"]) == (400, param)


async def test_the_scope_is_needed(api: Api) -> None:
    answer = await usage(api, await api.tenant(scopes=("jobs:read",)))

    assert (answer.status, answer.body["code"]) == (403, "insufficient_scope")
