"""The admin commands, as an operator runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imagerift_core import clock

from tests.integration.api.harness import Api


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
    ]


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
