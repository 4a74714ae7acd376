"""The admin commands, as an operator runs them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from imagerift import admin_calls
from imagerift.cli import app as command_line
from imagerift_core import clock
from imagerift_core.managed_by import ManagedBy
from typer.testing import CliRunner

from tests.integration.api.browsers import browser_of, signed_in
from tests.integration.api.harness import ADMIN_TOKEN, Api, settings_of


async def test_a_workspace_and_a_key_made_by_the_commands_can_call(api: Api, run: Any) -> None:
    workspace = json.loads(
        (await run("workspace", "create", "--name", "Demo", "--plan", "business")).stdout
    )
    key = json.loads(
        (await run("key", "create", "--workspace", workspace["workspaceId"], "--name", "ci")).stdout
    )

    answer = await api.call(
        "GET", "/api/v1/jobs", headers={"Authorization": f"Bearer {key['token']}"}
    )

    assert answer.status == 200
    listed = await run("key", "list", "--workspace", workspace["workspaceId"])
    shown = json.loads(listed.stdout)
    assert [one["keyId"] for one in shown] == [key["keyId"]]
    assert key["token"] not in listed.stdout
    assert shown[0]["lastFour"] == key["token"][-4:]


async def test_no_key_is_made_on_a_plan_without_api_access(run: Any) -> None:
    made = json.loads((await run("workspace", "create", "--name", "F", "--plan", "free")).stdout)

    refused = await run("key", "create", "--workspace", made["workspaceId"], "--name", "k")

    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("api_access_locked: ")


async def test_a_key_made_by_the_command_ends_when_it_was_told(run: Any) -> None:
    made = json.loads((await run("workspace", "create", "--name", "E", "--plan", "pro")).stdout)
    key = ("key", "create", "--workspace", made["workspaceId"], "--name", "k", "--expires-at")

    kept = json.loads((await run(*key, "2031-01-02T03:04:05Z")).stdout)

    assert kept["expiresAt"] == "2031-01-02T03:04:05.000Z"
    assert (await run(*key, "2021-01-02T03:04:05Z")).stderr.startswith("invalid_request: ")


async def test_a_revoked_key_says_since_when(run: Any) -> None:
    made = json.loads((await run("workspace", "create", "--name", "R", "--plan", "pro")).stdout)
    key = json.loads(
        (await run("key", "create", "--workspace", made["workspaceId"], "--name", "k")).stdout
    )

    revoked = json.loads((await run("key", "revoke", "--key", key["keyId"])).stdout)

    assert revoked["revokedAt"] is not None
    assert (await run("key", "revoke", "--key", "key_none")).exit_code == 1


async def test_a_workspace_moves_to_another_plan(run: Any) -> None:
    made = json.loads((await run("workspace", "create", "--name", "P", "--plan", "pro")).stdout)
    name = made["workspaceId"]

    moved = json.loads(
        (await run("workspace", "set-plan", "--workspace", name, "--plan", "business")).stdout
    )

    assert moved["plan"] == "business"
    listed = json.loads((await run("workspace", "list")).stdout)
    assert {"workspaceId": name, "plan": "business"}.items() <= next(
        one for one in listed if one["workspaceId"] == name
    ).items()
    assert (await run("workspace", "create", "--name", "x", "--plan", "gold")).exit_code == 2


async def test_a_person_is_put_in_place_before_their_first_sign_in(api: Api, run: Any) -> None:
    made = json.loads((await run("workspace", "create", "--name", "M", "--plan", "pro")).stdout)
    workspace = made["workspaceId"]
    who = ("--issuer", "https://issuer.example", "--subject", workspace)

    added = await run("member", "add", "--workspace", workspace, *who, "--role", "owner")

    person = await api.stores.people.sign_up(
        issuer="https://issuer.example",
        subject=workspace,
        name="Ada",
        email=None,
        plan="free",
        address=None,
        at=clock.now(),
    )
    assert json.loads(added.stdout)["personId"] == person.id
    memberships = await api.stores.members.of_person(person.id)
    assert [(m.workspace, m.role) for m in memberships] == [(workspace, "owner")]
    again = await run("member", "add", "--workspace", workspace, *who)
    assert (again.exit_code, again.stderr.split(":")[0]) == (1, "already_member")
    elsewhere = await run("member", "add", "--workspace", "ws_none", *who)
    assert elsewhere.stderr.startswith("workspace_not_found: ")


async def test_admin_actions_are_in_the_log(api: Api, run: Any) -> None:
    made = json.loads((await run("workspace", "create", "--name", "L", "--plan", "pro")).stdout)
    workspace = made["workspaceId"]
    key = json.loads((await run("key", "create", "--workspace", workspace, "--name", "k")).stdout)
    await run("key", "revoke", "--key", key["keyId"])
    await run("workspace", "set-plan", "--workspace", workspace, "--plan", "free")

    entries = await api.stores.account_log.page(workspace, before=None, limit=10)

    assert [(entry.action, entry.actor.kind) for entry in entries] == [
        ("workspace.plan_changed", "operator"),
        ("key.revoked", "operator"),
        ("key.created", "operator"),
        ("workspace.created", "operator"),
    ]


async def test_every_workspace_and_person_is_listed_page_by_page(
    api: Api, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        json.loads((await run("workspace", "create", "--name", "W", "--plan", "pro")).stdout)
        for _ in range(3)
    ]
    for number, one in enumerate(made):
        who = ("--issuer", "https://pages.example", "--subject", f"{one['workspaceId']}-{number}")
        await run("member", "add", "--workspace", one["workspaceId"], *who)
    monkeypatch.setattr(admin_calls, "_MOST_A_PAGE", 2)

    listed = json.loads((await run("workspace", "list")).stdout)
    people = json.loads((await run("person", "list")).stdout)

    ids = [one["workspaceId"] for one in listed]
    assert len(ids) == len(set(ids)) == await api.database.workspaces.count_documents({})
    assert [one for one in ids if one in {one["workspaceId"] for one in made}] == [
        one["workspaceId"] for one in made
    ]
    assert len(people) == await api.database.people.count_documents({})


async def test_a_workspace_is_renamed_suspended_and_resumed(api: Api, run: Any) -> None:
    tenant = await api.tenant()
    renamed = await run("workspace", "rename", "--workspace", tenant.workspace, "--name", " New ")
    assert json.loads(renamed.stdout)["name"] == "New"
    suspended = await run("workspace", "suspend", "--workspace", tenant.workspace)
    assert json.loads(suspended.stdout)["suspendedAt"] is not None
    resumed = await run("workspace", "resume", "--workspace", tenant.workspace)
    assert json.loads(resumed.stdout)["suspendedAt"] is None
    assert (await run("workspace", "resume", "--workspace", "ws_none")).exit_code == 1


async def test_a_workspace_is_released_from_its_resource(api: Api, run: Any) -> None:
    tenant = await api.tenant()
    holder = ManagedBy(namespace="lost", name="acme", uid="u-1")
    assert await api.stores.workspaces.claim(tenant.workspace, holder, others=[])
    listed = json.loads((await run("workspace", "list")).stdout)
    (shown,) = [one for one in listed if one["workspaceId"] == tenant.workspace]
    assert shown["managedBy"] == "lost/acme"
    released = await run("workspace", "release", "--workspace", tenant.workspace)
    assert json.loads(released.stdout)["managedBy"] is None


async def test_a_key_has_the_scopes_that_are_named_and_no_unknown_one(api: Api, run: Any) -> None:
    tenant = await api.tenant()
    key = ("key", "create", "--workspace", tenant.workspace, "--name", "ci", "--scope")
    made = json.loads((await run(*key, "jobs:read", "--scope", "jobs:read")).stdout)
    assert made["scopes"] == ["jobs:read"]
    wrong = await run(*key, "admin")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("invalid_request: scopes.0: ")


async def test_a_person_is_put_out_let_in_and_signed_out(api: Api, run: Any) -> None:
    someone = await signed_in(api)
    suspended = await run("person", "suspend", "--person", someone.person)
    assert json.loads(suspended.stdout)["suspendedAt"] is not None
    resumed = await run("person", "resume", "--person", someone.person)
    assert json.loads(resumed.stdout)["suspendedAt"] is None
    again = await browser_of(api, someone.person, someone.workspace)
    assert (await again.call("GET", "/api/v1/account")).status == 200
    ended = json.loads((await run("person", "sign-out", "--person", someone.person)).stdout)
    assert ended["sessionsEnded"] >= 1
    assert (await again.call("GET", "/api/v1/account")).status == 401
    for command in ("suspend", "resume", "sign-out"):
        missed = await run("person", command, "--person", "usr_none")
        assert missed.stderr.startswith("member_not_found: ")


async def test_wrong_tokens_of_one_address_are_counted(environment: dict[str, str]) -> None:
    async with Api(settings_of(environment, unidentified_requests_per_minute=2)) as api:
        await api.until_ready()
        wrong = {"Authorization": "Bearer wrong"}
        tried = [await api.call("GET", "/admin/v1/people", headers=wrong) for _ in range(3)]
        assert [answer.status for answer in tried] == [401, 401, 429]


async def test_administrators_have_a_limit_of_their_own(environment: dict[str, str]) -> None:
    async with Api(settings_of(environment, admin_requests_per_minute=2)) as api:
        await api.until_ready()
        right = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        await api.database.rate_windows.delete_many({"_id": {"$regex": "administrators"}})
        statuses = [
            (await api.call("GET", "/admin/v1/people", headers=right)).status for _ in range(6)
        ]
        # The window is a minute's, which may end in between.
        assert 429 in statuses and set(statuses) == {200, 429}


async def test_without_a_token_the_commands_name_what_is_missing(
    run: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.delitem(environment, "IMAGERIFT_ADMIN_TOKEN")
    runner = CliRunner(env=environment | {"IMAGERIFT_ADMIN_TOKEN": None})
    refused = await asyncio.to_thread(runner.invoke, command_line, ["admin", "person", "list"])
    assert refused.exit_code == 2
    assert "IMAGERIFT_ADMIN_TOKEN" in refused.stderr


async def test_the_audit_finds_a_counter_that_was_changed(api: Api, run: Any) -> None:
    tenant = await api.tenant()
    await api.generate(tenant)
    clean = await run("audit")
    assert (clean.exit_code, json.loads(clean.stdout)) == (0, {"differences": []})

    await api.database.counters.update_one({"_id": tenant.counter}, {"$inc": {"reserved": 1}})
    found = await run("audit")
    await api.database.counters.update_one({"_id": tenant.counter}, {"$inc": {"reserved": -1}})

    assert found.exit_code == 1
    assert json.loads(found.stdout)["differences"] == [
        {"counter": tenant.counter, "field": "reserved", "stored": 2, "recomputed": 1}
    ]


async def test_a_backup_is_rehearsed_beside_the_database_and_put_back_into_none(
    api: Api, run: Any, tmp_path: Path
) -> None:
    tenant = await api.tenant()
    await api.generate(tenant)
    file = str(tmp_path / "imagerift.archive")
    written = json.loads((await run("store", "backup", "--file", file)).stdout)
    rehearsed = await run("store", "drill", "--file", file)
    told = json.loads(rehearsed.stdout)
    assert (rehearsed.exit_code, told["differences"]) == (0, [])
    assert told["documents"] == written["documents"]
    assert told["documents"]["jobs"] >= 1

    refused = await run("store", "restore", "--file", file)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("archive_refused: ")
    assert (await run("store", "backup", "--file", file)).exit_code == 2
    status = json.loads((await run("store", "status")).stdout)
    assert status["expanded"] == status["release"]
    assert "api" in {process["kind"] for process in status["processes"]}
