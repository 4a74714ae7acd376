"""What becomes of keys and invitations when the rights of their person change."""

from __future__ import annotations

import asyncio

import pytest
from imagerift_core import clock
from imagerift_core.api_keys import ALL_SCOPES
from imagerift_core.mongo.members import Member, insert_member
from imagerift_core.roles import ALL_ROLES, Role, scopes_of

from tests.integration.api.browsers import Browser, browser_of, joined, signed_in, with_token
from tests.integration.api.harness import Answer, Api, settings_of

KEYS = "/api/v1/account/keys"
MEMBERS = "/api/v1/account/members"
INVITATIONS = "/api/v1/account/invitations"
HOOKS = "/api/v1/webhooks"
WITHIN_SECONDS = 30.0


async def until_answered(api: Api, path: str, token: str, code: str | None) -> Answer:
    """The answer once it has `code`, or is a success; that must be soon."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            answer = await api.call("GET", path, **with_token(token))
            if answer.body.get("code") == code:
                return answer
            await asyncio.sleep(0.1)


async def invited(by: Browser, role: Role = "member") -> dict[str, str]:
    """The token of a new invitation, as the body that accepts it."""
    answer = await by.call("POST", INVITATIONS, json={"role": role})
    assert answer.status == 201, answer.body
    return {"token": answer.body["url"].partition("#invitation=")[2]}


async def change_role(by: Browser, of: Browser, role: Role) -> None:
    answer = await by.call("PATCH", f"{MEMBERS}/{of.person}", json={"role": role})
    assert answer.status == 204, answer.body


async def remove(by: Browser, member: Browser) -> None:
    assert (await by.call("DELETE", f"{MEMBERS}/{member.person}")).status == 204


async def back_home(api: Api, person: Browser) -> Browser:
    """The same person, signed in to the workspace of their own."""
    found = await api.stores.people.get(person.person)
    assert found is not None
    return await browser_of(api, found.id, found.home)


async def accept(by: Browser, token: dict[str, str]) -> Answer:
    return await by.call("POST", f"{INVITATIONS}/accept", json=token)


async def test_nobody_makes_a_key_that_can_do_more_than_their_role(api: Api) -> None:
    owner = await signed_in(api)
    member = await joined(api, owner, "member")

    answer = await member.call(
        "POST", KEYS, json={"name": "k", "scopes": ["jobs:read", "webhooks:manage"]}
    )

    assert (answer.status, answer.body["code"]) == (403, "role_not_permitted")
    assert answer.body["param"] == "scopes"
    assert "'webhooks:manage'" in answer.body["detail"]
    assert await api.stores.keys.all_of(owner.workspace) == []


@pytest.mark.parametrize("role", ALL_ROLES)
@pytest.mark.parametrize("body", [{}, {"scopes": None}], ids=str)
async def test_a_key_has_all_that_the_role_has_unless_it_says_less(
    api: Api, role: Role, body: dict[str, None]
) -> None:
    browser = await joined(api, await signed_in(api), role)

    made = await browser.create_key(**body)

    permitted = [scope for scope in ALL_SCOPES if scope in scopes_of(role)]
    assert made["key"]["scopes"] == permitted
    account = (await browser.call("GET", "/api/v1/account")).body
    assert account["permissions"]["keyScopes"] == permitted


async def test_a_demotion_takes_from_the_keys_on_every_replica_and_a_promotion_gives_back(
    api: Api, environment: dict[str, str]
) -> None:
    owner = await signed_in(api)
    admin = await joined(api, owner, "admin")
    made = await admin.create_key()
    path = f"{KEYS}/{made['key']['keyId']}/rotate"
    rotated = await admin.call("POST", path, json={"overlapDays": 7})
    tokens = (made["token"], rotated.body["token"])
    async with Api(settings_of(environment)) as other:
        await other.until_ready()
        everywhere = [(replica, each) for replica in (api, other) for each in tokens]
        for replica, each in everywhere:
            await until_answered(replica, HOOKS, each, None)

        await change_role(owner, admin, "member")

        answers = await asyncio.gather(
            *(until_answered(r, HOOKS, each, "insufficient_scope") for r, each in everywhere)
        )
        assert all("'member'" in answer.body["detail"] for answer in answers)
        for replica, each in everywhere:
            assert (await replica.call("GET", "/api/v1/jobs", **with_token(each))).status == 200

    shown = (await owner.call("GET", KEYS)).body["data"][0]
    assert set(shown["scopes"]) - set(shown["effectiveScopes"]) == {"webhooks:manage"}
    await change_role(owner, admin, "admin")
    shown = (await owner.call("GET", KEYS)).body["data"][0]
    assert shown["effectiveScopes"] == shown["scopes"]
    await until_answered(api, HOOKS, made["token"], None)


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_only_its_own_person_learns_the_token_of_a_key(api: Api, role: Role) -> None:
    owner = await signed_in(api)
    other = await joined(api, owner, role)
    made = await owner.create_key()
    key_id = made["key"]["keyId"]
    before = await api.stores.keys.get(key_id)

    refused = await other.call("POST", f"{KEYS}/{key_id}/rotate", json={"overlapDays": 7})

    assert (refused.status, refused.body["code"]) == (403, "role_not_permitted")
    assert "ir_live_" not in str(refused.body)
    assert await api.stores.keys.get(key_id) == before
    assert (await owner.call("POST", f"{KEYS}/{key_id}/rotate", json={})).status == 200
    assert (await other.call("DELETE", f"{KEYS}/{key_id}")).status == 200


async def test_a_key_of_the_operators_is_rotated_by_nobody_on_the_pages(api: Api) -> None:
    tenant = await api.tenant()
    person = await signed_in(api)
    owner = await browser_of(api, person.person, tenant.workspace)
    member = Member(
        workspace=tenant.workspace, person=person.person, role="owner", added_at=clock.now()
    )
    await api.database.transaction(lambda session: insert_member(api.database, session, member))

    refused = await owner.call("POST", f"{KEYS}/{tenant.key_id}/rotate", json={})

    assert (refused.status, refused.body["code"]) == (403, "role_not_permitted")
    assert (await owner.call("DELETE", f"{KEYS}/{tenant.key_id}")).status == 200


async def test_a_removal_ends_both_tokens_of_a_rotated_key(api: Api) -> None:
    owner = await signed_in(api)
    admin = await joined(api, owner, "admin")
    made = await admin.create_key()
    path = f"{KEYS}/{made['key']['keyId']}/rotate"
    rotated = await admin.call("POST", path, json={"overlapDays": 7})

    await remove(owner, admin)

    for token in (made["token"], rotated.body["token"]):
        await until_answered(api, "/api/v1/jobs", token, "revoked_api_key")


async def test_nobody_who_was_removed_comes_back_by_an_invitation_of_their_own(api: Api) -> None:
    owner = await signed_in(api)
    admin = await joined(api, owner, "admin")
    own = [await invited(admin, "admin"), await invited(admin, "member")]
    of_owner = await invited(owner)

    await remove(owner, admin)

    at_home = await back_home(api, admin)
    listed = (await owner.call("GET", MEMBERS)).body["invitations"]
    assert [item["invitedBy"]["personId"] for item in listed] == [owner.person]
    for token in own:
        answer = await accept(at_home, token)
        assert (answer.status, answer.body["code"]) == (404, "invitation_not_found")
    log = await owner.log()
    assert log[0]["details"] == {"keysRevoked": "0", "invitationsEnded": "2"}
    guest = await signed_in(api)
    assert (await accept(guest, of_owner)).status == 200


async def test_a_demotion_ends_invitations_and_a_promotion_ends_none(api: Api) -> None:
    owner = await signed_in(api)
    admin, guest = await joined(api, owner, "admin"), await signed_in(api)
    kept = await invited(admin)
    await change_role(owner, admin, "owner")
    ended = [await invited(admin, "owner"), await invited(admin, "member")]
    assert (await accept(guest, kept)).status == 200

    await change_role(owner, admin, "member")

    late = await signed_in(api)
    for token in ended:
        assert (await accept(late, token)).body["code"] == "invitation_not_found"
    assert (await owner.call("GET", MEMBERS)).body["invitations"] == []
    assert (await owner.log())[0]["details"] == {"role": "member", "invitationsEnded": "2"}


@pytest.mark.parametrize("now", ["gone", "member", "admin"])
async def test_an_invitation_is_worth_what_whoever_made_it_may_give_now(api: Api, now: str) -> None:
    """However it was left behind, such as by a version that ended none."""
    owner = await signed_in(api)
    second = await joined(api, owner, "owner")
    token = await invited(second, "owner")
    place = {"_id": f"{owner.workspace}:{second.person}"}
    if now == "gone":
        await api.database.members.delete_one(place)
    else:
        await api.database.members.update_one(place, {"$set": {"role": now}})
    guest = await signed_in(api)

    refused = await accept(guest, token)

    assert (refused.status, refused.body["code"]) == (404, "invitation_not_found")
    assert await api.stores.members.get(owner.workspace, guest.person) is None


async def test_an_invitation_that_is_made_while_its_maker_is_removed_lets_nobody_in(
    api: Api,
) -> None:
    owner = await signed_in(api)
    for _ in range(10):
        admin, guest = await joined(api, owner, "admin"), await signed_in(api)
        made, removed = await asyncio.gather(
            admin.call("POST", INVITATIONS, json={"role": "admin"}),
            owner.call("DELETE", f"{MEMBERS}/{admin.person}"),
        )
        assert removed.status == 204
        if made.status == 201:
            token = {"token": made.body["url"].partition("#invitation=")[2]}
            assert (await accept(guest, token)).status == 404
        assert await api.database.invitations.count_documents({"invited_by": admin.person}) == 0


async def test_the_lists_say_who_invited_whom(api: Api) -> None:
    owner = await signed_in(api, name="Ada")
    admin = await joined(api, owner, "admin")
    guest = await joined(api, admin, "member")
    await invited(admin)
    by = {"personId": admin.person, "name": "Ada"}

    listed = (await owner.call("GET", MEMBERS)).body

    inviters = {item["personId"]: item["invitedBy"] for item in listed["data"]}
    assert inviters == {
        owner.person: None,
        admin.person: {"personId": owner.person, "name": "Ada"},
        guest.person: by,
    }
    assert [item["invitedBy"] for item in listed["invitations"]] == [by]
    await remove(owner, admin)
    left = (await owner.call("GET", MEMBERS)).body["data"]
    assert [item["invitedBy"] for item in left] == [None, by]
