"""Plans, modes and webhooks by the admin commands, and administrators with tokens of their own."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from imagerift_core import clock
from imagerift_core.api_keys import new_token_of
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import INSTALLATION

from tests.integration.api.harness import ADMIN_TOKEN, Answer, Api
from tests.support.cel_cases import MODE, PLAN

URL = "https://93.184.216.34/hook"


@pytest.fixture
def name() -> str:
    """Of a plan or mode that no other test has."""
    return f"x-{secrets.token_hex(4)}"


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def written(content: Any) -> str:
        path = tmp_path / "content.json"
        path.write_text(json.dumps(content))
        return str(path)

    return written


def shown(result: Any) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def people(api: Api, token: str) -> Answer:
    return await api.call("GET", "/admin/v1/people?limit=1", headers=bearer(token))


async def test_a_plan_that_is_added_holds_for_the_workspaces_on_it(
    api: Api, run: Any, name: str, file: Any
) -> None:
    before = await run("workspace", "create", "--name", "W", "--plan", name)
    assert (before.exit_code, before.stderr[:16]) == (2, "invalid_request:")
    added = shown(await run("plan", "set", "--name", name, "--file", file(PLAN)))
    assert (added["ofFiles"], added["plan"]["unitsPerMonth"]) == (False, 1000)
    workspace = shown(await run("workspace", "create", "--name", "W", "--plan", name))
    key = shown(await run("key", "create", "--workspace", workspace["workspaceId"], "--name", "k"))

    answer = await api.call("GET", "/api/v1/jobs", headers=bearer(key["token"]))
    assert answer.status == 200
    assert "q=30" in answer.headers["RateLimit-Policy"]
    await run("plan", "set", "--name", name, "--file", file(PLAN | {"requestsPerMinute": 7}))
    changed = await api.call("GET", "/api/v1/jobs", headers=bearer(key["token"]))
    assert "q=7" in changed.headers["RateLimit-Policy"]
    (listed,) = [one for one in shown(await run("plan", "list")) if one["name"] == name]
    assert listed["plan"]["requestsPerMinute"] == 7 and listed["changedAt"]


async def test_a_plan_in_use_stays_and_one_that_ends_takes_nobody_more(
    run: Any, name: str, file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(await run("plan", "set", "--name", name, "--file", file(PLAN)))
    workspace = shown(await run("workspace", "create", "--name", "W", "--plan", name))
    used = await run("plan", "delete", "--name", name)
    assert (used.exit_code, used.stdout) == (1, "")
    assert used.stderr.startswith("catalogue_entry_used: ")
    assert f"The plan '{name}' is in use: 1 workspace is on it." in used.stderr
    # A refusal changes nothing.
    shown(await run("workspace", "create", "--name", "W2", "--plan", name))
    again = await run("plan", "delete", "--name", name)
    assert "2 workspaces are on it." in again.stderr
    for one in shown(await run("workspace", "list")):
        if one["plan"] == name:
            await run("workspace", "set-plan", "--workspace", one["workspaceId"], "--plan", "pro")
    assert shown(await run("plan", "delete", "--name", name))["waitsFor"] is not None
    late = await run(
        "workspace", "set-plan", "--workspace", workspace["workspaceId"], "--plan", name
    )
    assert (late.exit_code, late.stderr[:16]) == (2, "invalid_request:")
    monkeypatch.setattr("imagerift_core.catalogue.KNOWN_EVERYWHERE_AFTER", timedelta(0))
    # Whichever process finds it first that it is unused takes it away.
    async with asyncio.timeout(60):
        listed = {name}
        while name in listed:
            listed = {one["name"] for one in shown(await run("plan", "list"))}
    gone = await run("plan", "delete", "--name", name)
    assert gone.stderr.startswith("catalogue_entry_not_found: ")


async def test_one_in_the_place_of_the_files_own_hides_it_while_it_is_there(
    api: Api, run: Any, file: Any
) -> None:
    units = api.plans["starter"].units_per_month
    try:
        over = shown(await run("plan", "set", "--name", "starter", "--file", file(PLAN)))
        assert (over["ofFiles"], over["plan"]["unitsPerMonth"]) == (True, 1000)
    finally:
        ended = shown(await run("plan", "delete", "--name", "starter"))
    assert ended["waitsFor"] is None
    (left,) = [one for one in shown(await run("plan", "list")) if one["name"] == "starter"]
    assert (left["plan"]["unitsPerMonth"], left["changedAt"]) == (units, None)


async def test_a_mode_is_offered_and_is_not_any_more(
    api: Api, run: Any, name: str, file: Any
) -> None:
    tenant = await api.tenant()

    async def offered() -> set[str]:
        modes = await api.call("GET", "/api/v1/modes", headers=tenant.headers)
        return {one["mode"] for one in modes.body["data"]}

    shown(await run("mode", "set", "--name", name, "--file", file(MODE)))
    assert name in await offered()
    accepted = await api.generate(tenant, mode=name)
    assert accepted.status == 202, accepted.body
    used = await run("mode", "delete", "--name", name)
    assert used.stderr.startswith("catalogue_entry_used: ") and "jobs of it" in used.stderr
    path = f"/api/v1/jobs/{accepted.body['jobId']}/cancel"
    canceled = await api.call("POST", path, headers=tenant.headers)
    assert canceled.status in {200, 202}, canceled.body
    shown(await run("mode", "delete", "--name", name))
    assert name not in await offered()


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("plan", PLAN | {"band": 10}, "band: "),
        ("plan", PLAN | {"colour": "red"}, "colour: "),
        ("mode", MODE | {"presetRequired": True, "presets": []}, "needs presets"),
        ("mode", [], "no JSON object"),
    ],
)
async def test_what_is_wrong_is_named(
    run: Any, file: Any, kind: str, content: Any, words: str
) -> None:
    refused = await run(kind, "set", "--name", "wrong", "--file", file(content))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert words in refused.stderr
    named = await run("plan", "set", "--name", "No Name", "--file", file(PLAN))
    assert named.stderr.startswith("invalid_request: The name ")


async def test_one_is_released_from_its_resource(api: Api, run: Any, name: str, file: Any) -> None:
    shown(await run("plan", "set", "--name", name, "--file", file(PLAN)))
    holder = ManagedBy(namespace="lost", name=name, uid="u-1")
    assert await api.stores.catalogue.claim("plan", name, holder, others=[])
    (held,) = [one for one in shown(await run("plan", "list")) if one["name"] == name]
    assert held["managedBy"] == f"lost/{name}"
    assert shown(await run("plan", "release", "--name", name))["managedBy"] is None


async def test_webhooks_are_made_and_deleted_as_on_the_account_page(api: Api, run: Any) -> None:
    tenant = await api.tenant()
    made = shown(await run("webhook", "create", "--workspace", tenant.workspace, "--to", URL))
    assert made["secret"].startswith("whsec_") and len(made["events"]) == 3
    listed = await run("webhook", "list", "--workspace", tenant.workspace)
    assert [one["webhookId"] for one in shown(listed)] == [made["webhookId"]]
    assert made["secret"] not in listed.stdout
    inside = await run(
        "webhook", "create", "--workspace", tenant.workspace, "--to", "https://10.0.0.1/"
    )
    assert inside.stderr.startswith("invalid_request: url is refused: ")
    shown(await run("webhook", "delete", "--webhook", made["webhookId"]))
    again = await run("webhook", "delete", "--webhook", made["webhookId"])
    assert again.stderr.startswith("webhook_not_found: ")
    nowhere = await run("webhook", "create", "--workspace", "ws_none", "--to", URL)
    assert nowhere.stderr.startswith("workspace_not_found: ")


async def test_an_administrator_acts_under_a_name_until_the_token_is_revoked(
    api: Api, run: Any
) -> None:
    ada = shown(await run("administrator", "create", "--name", "Ada"))
    assert ada["token"].startswith("ir_admin_") and ada["createdBy"] == "imagerift admin"
    stored = await api.database.administrators.find_one({"_id": ada["administratorId"]})
    assert stored is not None and ada["token"] not in str(stored)
    created = await api.call(
        "POST",
        "/admin/v1/workspaces",
        json={"name": "Hers", "plan": "pro"},
        headers=bearer(ada["token"]),
    )
    assert created.status == 201
    workspace = created.body["workspaceId"]
    (entry,) = await api.stores.account_log.page(workspace, before=None, limit=1)
    assert (entry.actor.id, entry.actor.name) == (ada["administratorId"], "imagerift admin (Ada)")

    # Nobody's key, and no key is one; the token of the installation stays one.
    turned_away = await api.call("GET", "/api/v1/jobs", headers=bearer(ada["token"]))
    assert (turned_away.status, turned_away.body["code"]) == (401, "invalid_api_key")
    tenant = await api.tenant()
    by_key = await api.call("GET", "/admin/v1/people", headers=tenant.headers)
    assert (by_key.status, by_key.body["code"]) == (401, "invalid_admin_token")

    revoked = shown(await run("administrator", "revoke", "--administrator", ada["administratorId"]))
    assert revoked["revokedAt"] is not None
    assert (await people(api, ada["token"])).body["code"] == "invalid_admin_token"
    assert (await people(api, ADMIN_TOKEN)).status == 200
    listed = await run("administrator", "list")
    assert ada["token"] not in listed.stdout
    assert revoked in shown(listed)
    missing = await run("administrator", "revoke", "--administrator", "adm_none")
    assert missing.stderr.startswith("administrator_not_found: ")


async def test_administrators_are_in_the_log_of_the_installation(api: Api, run: Any) -> None:
    name = f"Bob {secrets.token_hex(3)}"
    bob = shown(await run("administrator", "create", "--name", name))
    eve = await api.call(
        "POST", "/admin/v1/administrators", json={"name": "Eve"}, headers=bearer(bob["token"])
    )
    identifier = eve.body["administrator"]["administratorId"]
    await run("administrator", "revoke", "--administrator", identifier)
    entries = shown(await run("log", "--limit", "3"))
    assert [(one["action"], one["target"], one["actor"]["name"]) for one in entries] == [
        ("administrator.revoked", identifier, "imagerift admin"),
        ("administrator.created", identifier, f"imagerift admin ({name})"),
        ("administrator.created", bob["administratorId"], "imagerift admin"),
    ]
    assert eve.body["token"] not in json.dumps(entries)
    assert len(await api.stores.account_log.page(INSTALLATION, before=None, limit=100)) >= 3


async def test_a_token_that_has_expired_opens_nothing(
    api: Api, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = clock.now() + timedelta(hours=1)
    made = shown(
        await run("administrator", "create", "--name", "T", "--expires-at", clock.rfc3339(soon))
    )
    assert (await people(api, made["token"])).status == 200
    monkeypatch.setattr("imagerift_api.auth.administrators.clock.now", lambda: soon)
    assert (await people(api, made["token"])).body["code"] == "invalid_admin_token"
    monkeypatch.undo()
    past = await run(
        "administrator", "create", "--name", "P", "--expires-at", "2020-01-01T00:00:00Z"
    )
    assert past.stderr.startswith("invalid_request: expiresAt must be")


async def test_another_secret_under_a_known_id_opens_nothing(api: Api, run: Any) -> None:
    made = shown(await run("administrator", "create", "--name", "H"))
    forged = new_token_of(made["administratorId"]).token
    answer = await people(api, forged)
    assert (answer.status, answer.body["code"]) == (401, "invalid_admin_token")
