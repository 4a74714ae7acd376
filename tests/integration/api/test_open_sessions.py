"""Where somebody is signed in, and how they or the operator end it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from imagerift_core import clock

from tests.integration.api.browsers import Browser, browser_of, joined, signed_in, with_token
from tests.integration.api.harness import Api, settings_of
from tests.integration.api.test_member_rights import invited, until_answered

SESSIONS = "/api/v1/account/sessions"
ACCOUNT = "/api/v1/account"
JOBS = "/api/v1/jobs"


async def open_sessions(browser: Browser) -> list[dict[str, Any]]:
    answer = await browser.call("GET", SESSIONS)
    assert answer.status == 200, answer.body
    data: list[dict[str, Any]] = answer.body["data"]
    return data


async def status_of(browser: Browser) -> int:
    return (await browser.call("GET", ACCOUNT)).status


async def test_a_person_sees_their_own_sessions_and_no_others(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    phone = await browser_of(api, ada.person, ada.workspace)

    shown = await open_sessions(ada)

    assert [one["current"] for one in shown].count(True) == 1
    assert {one["userAgent"] for one in shown} == {"Tests"}
    ids = {one["sessionId"] for one in shown}
    assert {one["sessionId"] for one in await open_sessions(phone)} == ids
    assert len(ids) == 2
    assert not ids & {one["sessionId"] for one in await open_sessions(eve)}


async def test_one_session_is_ended_from_another_on_every_replica(
    api: Api, environment: dict[str, str]
) -> None:
    ada = await signed_in(api)
    phone = await browser_of(api, ada.person, ada.workspace)
    (other,) = [one for one in await open_sessions(ada) if not one["current"]]
    async with Api(settings_of(environment)) as replica:
        await replica.until_ready()

        assert (await ada.call("DELETE", f"{SESSIONS}/{other['sessionId']}")).status == 204

        there = await replica.call("GET", ACCOUNT, headers=phone.headers)
        assert (there.status, there.body["code"]) == (401, "invalid_session")
    assert await status_of(ada) == 200
    again = await ada.call("DELETE", f"{SESSIONS}/{other['sessionId']}")
    assert (again.status, again.body["code"]) == (404, "session_not_found")


async def test_nobody_ends_a_session_of_somebody_else(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    (hers,) = await open_sessions(ada)
    answer = await eve.call("DELETE", f"{SESSIONS}/{hers['sessionId']}")
    assert (answer.status, answer.body["code"]) == (404, "session_not_found")
    assert await status_of(ada) == 200


async def test_signing_out_everywhere_else_keeps_this_session_alone(api: Api) -> None:
    ada, eve = await signed_in(api), await signed_in(api)
    others = [await browser_of(api, ada.person, ada.workspace) for _ in range(3)]

    assert (await ada.call("DELETE", SESSIONS)).status == 204

    assert [await status_of(other) for other in others] == [401] * 3
    assert (await status_of(ada), await status_of(eve)) == (200, 200)


async def test_when_a_session_was_last_used_is_told_to_a_few_minutes(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await signed_in(api)
    (before,) = await open_sessions(ada)
    later = clock.now() + timedelta(minutes=6)
    monkeypatch.setattr(clock, "now", lambda: later)

    await open_sessions(ada)

    (after,) = await open_sessions(ada)
    assert after["lastUsedAt"] == clock.rfc3339(later)
    assert after["createdAt"] == before["createdAt"]


async def test_a_session_that_nobody_uses_is_over_for_good(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = clock.now()

    def after(minutes: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: started + timedelta(minutes=minutes))

    async with Api(settings_of(environment, session_idle_minutes=10)) as api:
        await api.until_ready()
        used = await signed_in(api)
        unused = await browser_of(api, used.person, used.workspace)
        after(9)
        assert await status_of(used) == 200

        after(16)

        assert await status_of(used) == 200
        assert len(await open_sessions(used)) == 1
        assert (await unused.call("GET", ACCOUNT)).body["code"] == "invalid_session"
        after(0)
        assert await status_of(unused) == 401


async def test_a_suspended_person_is_out_everywhere_until_the_suspension_ends(
    api: Api, environment: dict[str, str], run: Any
) -> None:
    owner = await signed_in(api)
    admin = await joined(api, owner, "admin")
    token = (await admin.create_key())["token"]
    invitation = await invited(admin)
    at_home = await browser_of(api, admin.person, admin.workspace)
    async with Api(settings_of(environment)) as replica:
        await replica.until_ready()
        for place in (api, replica):
            await until_answered(place, JOBS, token, None)

        done = await run("person", "suspend", "--person", admin.person)

        assert json.loads(done.stdout)["suspendedAt"] is not None
        for place in (api, replica):
            await until_answered(place, JOBS, token, "account_suspended")
    assert [await status_of(one) for one in (admin, at_home, owner)] == [401, 401, 200]
    forged = await browser_of(api, admin.person, admin.workspace)
    assert await status_of(forged) == 401
    guest = await signed_in(api)
    refused = await guest.call("POST", f"{ACCOUNT}/invitations/accept", json=invitation)
    assert refused.body["code"] == "invitation_not_found"

    await run("person", "resume", "--person", admin.person)

    await until_answered(api, JOBS, token, None)
    assert await status_of(at_home) == 401
    assert await status_of(await browser_of(api, admin.person, admin.workspace)) == 200


async def test_a_suspended_workspace_is_closed_to_keys_and_sessions_and_no_other_is(
    api: Api, run: Any
) -> None:
    owner = await signed_in(api)
    own = (await owner.create_key())["token"]
    guest = await joined(api, owner, "member")
    home = await api.stores.people.get(guest.person)
    assert home is not None
    tenant = await api.tenant()
    neighbour = await api.tenant()

    for workspace in (owner.workspace, tenant.workspace):
        assert (await run("workspace", "suspend", "--workspace", workspace)).exit_code == 0

    for token in (own, tenant.token):
        await until_answered(api, JOBS, token, "account_suspended")
    assert (await api.call("GET", JOBS, headers=neighbour.headers)).status == 200
    assert await status_of(guest) == 401
    at_home = await browser_of(api, guest.person, home.home)
    assert await status_of(at_home) == 200
    chosen = await at_home.call(
        "POST", f"{ACCOUNT}/workspace", json={"workspaceId": owner.workspace}
    )
    assert (chosen.status, chosen.body["code"]) == (403, "account_suspended")
    listed = (await at_home.call("GET", ACCOUNT)).body["workspaces"]
    assert [one["workspaceId"] for one in listed] == [home.home]

    await run("workspace", "resume", "--workspace", owner.workspace)

    await until_answered(api, JOBS, own, None)
    assert await status_of(guest) == 200
    assert [entry["action"] for entry in (await owner.log())[:2]] == [
        "workspace.resumed",
        "workspace.suspended",
    ]


async def test_who_is_suspended_twice_is_suspended_since_the_first_time(api: Api, run: Any) -> None:
    ada = await signed_in(api)
    first, second = [
        json.loads((await run("person", "suspend", "--person", ada.person)).stdout)
        for _ in range(2)
    ]
    assert first == second
    assert [one for one in json.loads((await run("person", "list")).stdout) if one == first]
    unknown = await run("person", "suspend", "--person", "usr_none")
    assert (unknown.exit_code, unknown.stderr.split(":")[0]) == (1, "member_not_found")


async def test_the_operator_signs_a_person_out(api: Api, run: Any) -> None:
    ada = await signed_in(api)
    await browser_of(api, ada.person, ada.workspace)
    done = json.loads((await run("person", "sign-out", "--person", ada.person)).stdout)
    assert done == {"personId": ada.person, "sessionsEnded": 2}
    assert await status_of(ada) == 401


async def test_an_upload_by_a_suspended_workspaces_key_is_refused_before_anything_is_stored(
    api: Api,
) -> None:
    tenant = await api.tenant()
    await api.stores.workspaces.suspend(tenant.workspace)
    answer = await api.generate(tenant)
    assert (answer.status, answer.body["code"]) == (403, "account_suspended")
    assert await api.stored(tenant) == []
    assert await api.jobs_of(tenant) == 0


@pytest.mark.parametrize("asked", [{}, {"expiresAt": None}], ids=str)
async def test_a_key_expires_after_the_plans_days_unless_it_says_when(
    api: Api, asked: dict[str, None]
) -> None:
    ada = await signed_in(api, plan="passing")
    soon = clock.now() + timedelta(days=1)

    by_default = (await ada.create_key(**asked))["key"]
    own = (await ada.create_key(expiresAt=clock.rfc3339(soon)))["key"]

    made = datetime.fromisoformat(by_default["createdAt"])
    assert datetime.fromisoformat(by_default["expiresAt"]) == made + timedelta(days=90)
    assert own["expiresAt"] == clock.rfc3339(soon)
    never = await signed_in(api, plan="pro")
    assert (await never.create_key())["key"]["expiresAt"] is None


async def test_a_token_without_its_session_opens_nothing(api: Api) -> None:
    """Also one whose session is another person's."""
    ada, eve = await signed_in(api), await signed_in(api)
    await api.database.sessions.update_many(
        {"person": ada.person}, {"$set": {"person": eve.person}}
    )
    answer = await api.call("GET", ACCOUNT, **{"headers": ada.headers})
    assert answer.status == 401
    assert (await api.call("GET", JOBS, **with_token("x"))).status == 401
