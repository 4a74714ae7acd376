"""Keys, members and the log, as the account page uses them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from imagerift_core import clock
from imagerift_core.clock import rfc3339

from tests.integration.api.browsers import browser_of, joined, signed_in, with_token
from tests.integration.api.harness import Answer, Api, settings_of

KEYS = "/api/v1/account/keys"
MEMBERS = "/api/v1/account/members"


async def list_with(api: Api, token: str) -> Answer:
    return await api.call("GET", "/api/v1/jobs", **with_token(token))


async def until_refused(api: Api, token: str, code: str) -> float:
    """Seconds until the token is refused with `code`."""
    started = time.monotonic()
    answer = await list_with(api, token)
    while answer.status == 200:
        assert time.monotonic() - started < 60, "the token still works"
        await asyncio.sleep(0.1)
        answer = await list_with(api, token)
    assert answer.body["code"] == code
    return time.monotonic() - started


async def test_a_token_is_shown_once_and_works(api: Api) -> None:
    ada = await signed_in(api)

    created = await ada.create_key(name="laptop", scopes=["jobs:read"])

    assert created["token"].startswith("ir_live_")
    assert created["key"]["lastFour"] == created["token"][-4:]
    assert (await list_with(api, created["token"])).status == 200
    refused = await api.call("POST", "/api/v1/generate", **with_token(created["token"]))
    assert refused.body["code"] == "insufficient_scope"
    listed = await ada.call("GET", KEYS)
    assert [key["keyId"] for key in listed.body["data"]] == [created["key"]["keyId"]]
    assert created["token"] not in str(listed.body)
    stored = await api.database.api_keys.find_one({"_id": created["key"]["keyId"]})
    assert created["token"] not in str(stored)


async def test_last_use_shows_in_the_list(api: Api) -> None:
    ada = await signed_in(api)
    created = await ada.create_key()
    assert created["key"]["lastUsedAt"] is None
    await list_with(api, created["token"])

    end = time.monotonic() + 100
    while (await ada.call("GET", KEYS)).body["data"][0]["lastUsedAt"] is None:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("plan", ["free", "starter"])
async def test_keys_are_locked_on_plans_without_api_access(api: Api, plan: str) -> None:
    ada = await signed_in(api, plan=plan)
    answer = await ada.call("POST", KEYS, json={"name": "k"})
    assert (answer.status, answer.body["code"]) == (403, "api_access_locked")
    assert await api.stores.keys.all_of(ada.workspace) == []


async def test_after_a_downgrade_keys_are_locked_and_can_only_be_revoked(api: Api) -> None:
    ada = await signed_in(api)
    created = await ada.create_key()
    key_id = created["key"]["keyId"]
    await api.stores.workspaces.set_plan(ada.workspace, "free")

    await until_refused(api, created["token"], "api_access_locked")

    rotated = await ada.call("POST", f"{KEYS}/{key_id}/rotate", json={})
    assert rotated.body["code"] == "api_access_locked"
    assert (await ada.call("DELETE", f"{KEYS}/{key_id}")).status == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "k", "scopes": []}, "scopes"),
        ({"name": "k", "scopes": ["everything"]}, "scopes.0"),
        ({"name": "k", "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"name": "k", "expiresAt": "2099-01-01T00:00:00"}, "expiresAt"),
        ({"name": "k", "workspace": "ws_other"}, "workspace"),
    ],
    ids=str,
)
async def test_a_key_that_is_asked_for_wrongly_is_refused(
    api: Api, body: dict[str, object], param: str
) -> None:
    ada = await signed_in(api)
    answer = await ada.call("POST", KEYS, json=body)
    assert (answer.status, answer.body["code"], answer.body["param"]) == (
        400,
        "invalid_request",
        param,
    )


async def test_a_key_ends_at_its_expiry(api: Api) -> None:
    ada = await signed_in(api)
    ends = rfc3339(clock.now() + timedelta(seconds=1.5))
    created = await ada.create_key(expiresAt=ends)
    assert created["key"]["expiresAt"] == ends
    await until_refused(api, created["token"], "expired_api_key")
    rotated = await ada.call("POST", f"{KEYS}/{created['key']['keyId']}/rotate", json={})
    assert (rotated.status, rotated.body["code"]) == (409, "key_not_rotatable")


async def test_a_revoked_key_stops_within_five_seconds_on_every_replica(
    api: Api, environment: dict[str, str]
) -> None:
    ada = await signed_in(api)
    created = await ada.create_key()
    async with Api(settings_of(environment)) as other:
        await other.until_ready()
        for replica in (api, other):
            assert (await list_with(replica, created["token"])).status == 200

        revoked = await ada.call("DELETE", f"{KEYS}/{created['key']['keyId']}")

        assert revoked.body["revokedAt"] is not None
        waits = await asyncio.gather(
            *(until_refused(r, created["token"], "revoked_api_key") for r in (api, other))
        )
        assert max(waits) < 5


async def test_a_rotation_keeps_the_id_and_lets_the_old_secret_live_for_the_overlap(
    api: Api,
) -> None:
    ada = await signed_in(api)
    created = await ada.create_key(name="ci")
    path = f"{KEYS}/{created['key']['keyId']}/rotate"

    rotated = await ada.call("POST", path, json={"overlapDays": 7})

    assert rotated.body["key"]["keyId"] == created["key"]["keyId"]
    assert rotated.body["key"]["oldSecretUntil"] is not None
    assert rotated.body["token"] != created["token"]
    for token in (created["token"], rotated.body["token"]):
        assert (await list_with(api, token)).status in {200, 401}
    end = time.monotonic() + 60
    while (await list_with(api, rotated.body["token"])).status != 200:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    assert (await list_with(api, created["token"])).status == 200

    again = await ada.call("POST", path, json={"overlapDays": 0})
    await until_refused(api, rotated.body["token"], "expired_api_key")
    assert (await list_with(api, again.body["token"])).status == 200
    assert (await list_with(api, created["token"])).body["code"] == "invalid_api_key"


@pytest.mark.parametrize("days", [-1, 7.01, 8, "NaN", "1", False])
async def test_an_overlap_has_bounds(api: Api, days: object) -> None:
    ada = await signed_in(api)
    created = await ada.create_key()
    answer = await ada.call(
        "POST", f"{KEYS}/{created['key']['keyId']}/rotate", json={"overlapDays": days}
    )
    assert (answer.status, answer.body["param"]) == (400, "overlapDays")


async def test_keys_of_another_workspace_are_not_found(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    key_id = (await ada.create_key())["key"]["keyId"]
    for method, path in (("DELETE", f"{KEYS}/{key_id}"), ("POST", f"{KEYS}/{key_id}/rotate")):
        answer = await eve.call(method, path, json={})
        assert (answer.status, answer.body["code"]) == (404, "key_not_found")
    assert (await eve.call("GET", KEYS)).body["data"] == []


async def test_members_change_their_own_keys_and_admins_everybodys(api: Api) -> None:
    owner = await signed_in(api)
    member, admin = await joined(api, owner, "member"), await joined(api, owner, "admin")
    of_owner = (await owner.create_key())["key"]["keyId"]
    of_member = (await member.create_key())["key"]["keyId"]

    refused = await member.call("DELETE", f"{KEYS}/{of_owner}")

    assert (refused.status, refused.body["code"]) == (403, "role_not_permitted")
    assert (await member.call("DELETE", f"{KEYS}/{of_member}")).status == 200
    assert (await admin.call("DELETE", f"{KEYS}/{of_owner}")).status == 200


async def test_removing_a_member_revokes_their_keys_and_no_others(api: Api) -> None:
    owner = await signed_in(api)
    member = await joined(api, owner, "member")
    theirs, mine = await member.create_key(), await owner.create_key()
    assert (await list_with(api, theirs["token"])).status == 200

    assert (await owner.call("DELETE", f"{MEMBERS}/{member.person}")).status == 204

    assert await until_refused(api, theirs["token"], "revoked_api_key") < 5
    assert (await list_with(api, mine["token"])).status == 200
    assert (await member.call("GET", "/api/v1/account")).status == 401


async def test_roles_bound_what_one_may_do_to_others(api: Api) -> None:
    owner = await signed_in(api)
    admin, member = await joined(api, owner, "admin"), await joined(api, owner, "member")
    refused = [
        await member.call("DELETE", f"{MEMBERS}/{admin.person}"),
        await member.call("POST", "/api/v1/account/invitations", json={}),
        await member.call("PATCH", f"{MEMBERS}/{member.person}", json={"role": "owner"}),
        await admin.call("DELETE", f"{MEMBERS}/{owner.person}"),
        await admin.call("PATCH", f"{MEMBERS}/{admin.person}", json={"role": "owner"}),
        await admin.call("POST", "/api/v1/account/invitations", json={"role": "owner"}),
        await admin.call("GET", "/api/v1/account/log"),
    ]
    assert {(answer.status, answer.body["code"]) for answer in refused} == {
        (403, "role_not_permitted")
    }
    promoted = await owner.call("PATCH", f"{MEMBERS}/{member.person}", json={"role": "admin"})
    assert promoted.status == 204
    listed = (await owner.call("GET", MEMBERS)).body["data"]
    assert [item["role"] for item in listed] == ["owner", "admin", "admin"]


async def test_a_workspace_keeps_an_owner(api: Api) -> None:
    owner = await signed_in(api)
    second = await joined(api, owner, "owner")
    path = f"{MEMBERS}/{owner.person}"

    # Both owners at once: one of them has to stay.
    answers = await asyncio.gather(
        owner.call("DELETE", path), second.call("DELETE", f"{MEMBERS}/{second.person}")
    )

    assert sorted(answer.status for answer in answers) == [204, 409]
    left = [b for b in (owner, second) if (await b.call("GET", "/api/v1/account")).status == 200]
    assert len(left) == 1
    demoted = await left[0].call("PATCH", f"{MEMBERS}/{left[0].person}", json={"role": "member"})
    assert (demoted.status, demoted.body["code"]) == (409, "last_owner")


async def test_an_invitation_works_once_and_not_after_it_was_withdrawn(api: Api) -> None:
    owner, guest, late = [await signed_in(api) for _ in range(3)]
    invited = await owner.call("POST", "/api/v1/account/invitations", json={"role": "member"})
    token = {"token": invited.body["url"].partition("#invitation=")[2]}
    accept = "/api/v1/account/invitations/accept"

    assert (await owner.call("POST", accept, json=token)).body["code"] == "already_member"
    assert (await guest.call("POST", accept, json=token)).status == 200
    assert (await late.call("POST", accept, json=token)).body["code"] == "invitation_not_found"

    second = await owner.call("POST", "/api/v1/account/invitations", json={})
    path = f"/api/v1/account/invitations/{second.body['invitation']['invitationId']}"
    assert (await guest.call("DELETE", path)).body["code"] == "invitation_not_found"
    assert (await owner.call("DELETE", path)).status == 204
    token = {"token": second.body["url"].partition("#invitation=")[2]}
    assert (await late.call("POST", accept, json=token)).body["code"] == "invitation_not_found"


async def test_the_log_says_who_did_what_and_pages_through_all_of_it(api: Api) -> None:
    owner = await signed_in(api)
    key_id = (await owner.create_key())["key"]["keyId"]
    await owner.call("POST", f"{KEYS}/{key_id}/rotate", json={"overlapDays": 1})
    await owner.call("DELETE", f"{KEYS}/{key_id}")
    await joined(api, owner, "member")

    whole = await owner.log()

    assert [entry["action"] for entry in whole] == [
        "member.added",
        "member.invited",
        "key.revoked",
        "key.rotated",
        "key.created",
        "workspace.plan_changed",
        "account.created",
    ]
    assert whole[4]["actor"] == {
        "kind": "person",
        "id": owner.person,
        "name": "Ada",
        "address": "127.0.0.1",
    }
    assert whole[4]["target"] == key_id
    assert whole[5]["actor"]["kind"] == "operator"
    paged, cursor = [], ""
    while True:
        page = (await owner.call("GET", f"/api/v1/account/log?limit=2{cursor}")).body
        paged += page["data"]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert paged == whole


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "MTIz", "z" * 129, "é"])
async def test_a_cursor_of_no_page_is_refused(api: Api, cursor: str) -> None:
    owner = await signed_in(api)
    answer = await owner.call("GET", f"/api/v1/account/log?cursor={cursor}")
    assert (answer.status, answer.body["param"]) == (400, "cursor")


async def test_another_workspace_sees_nothing_of_the_log(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    await ada.create_key()
    assert ada.person not in str(await eve.log())
    forged = await browser_of(api, eve.person, ada.workspace)
    assert (await forged.call("GET", "/api/v1/account/log")).status == 401
