"""Workspace and ApiKey resources on a real API server and a real database, look by look."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from imagerift_core import clock
from imagerift_core.api_keys import hash_token, key_id_of
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo import Database
from imagerift_core.mongo.account_log import ADMIN_COMMAND
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.quota import period_end
from imagerift_core.tenant_resources import (
    API_KEYS,
    FINALIZER,
    WORKSPACES,
    key_id_of_resource,
    workspace_id_of,
)

from tests.contract.kube.bodies import new_name
from tests.integration.operator.tenants.cluster import (
    PEPPER,
    Cluster,
    Died,
    DyingCalls,
    conditions,
    message,
    operator_on,
)
from tests.support.job_records import make_record


async def test_a_workspace_is_made_once_however_often_it_is_looked_at(cluster: Cluster) -> None:
    name, workspace_id = await cluster.workspace(plan="business")
    before = await cluster.found(WORKSPACES, name)
    assert before is not None
    workspace = await cluster.stores.workspaces.get(workspace_id)
    assert workspace is not None
    assert (workspace.name, workspace.plan) == ("Acme", "business")
    assert workspace.id == workspace_id_of(before["metadata"]["uid"])
    assert before["metadata"]["finalizers"] == [FINALIZER]
    assert conditions(before)["Drifted"] == ("False", "AsApplied")
    again = await cluster.seen(WORKSPACES, name)
    assert again == before
    entries = await cluster.stores.account_log.page(workspace_id, before=None, limit=9)
    assert [(entry.action, entry.actor.name) for entry in entries] == [
        ("workspace.created", f"Workspace {cluster.kube.namespace}/{name}")
    ]


async def test_a_change_of_the_spec_is_made_and_one_elsewhere_is_shown(cluster: Cluster) -> None:
    name, workspace_id = await cluster.workspace()
    await cluster.apply(WORKSPACES, name, plan="business", name="Acme 2")
    changed = await cluster.seen(WORKSPACES, name)
    assert changed["status"]["plan"] == "business"
    assert conditions(changed)["Drifted"][0] == "False"

    await cluster.stores.workspaces.set_plan(workspace_id, "pro")
    shown = await cluster.seen(WORKSPACES, name)
    assert conditions(shown)["Drifted"] == ("True", "ChangedElsewhere")
    assert message(shown, "Drifted") == "plan is 'pro', and 'business' in the spec"
    assert conditions(shown)["Ready"][0] == "True"
    left = await cluster.stores.workspaces.get(workspace_id)
    assert left is not None and left.plan == "pro"

    await cluster.apply(WORKSPACES, name, onDrift="Revert")
    back = await cluster.seen(WORKSPACES, name)
    assert (back["status"]["plan"], conditions(back)["Drifted"][0]) == ("business", "False")
    await cluster.stores.workspaces.suspend(workspace_id)
    undone = await cluster.seen(WORKSPACES, name)
    assert (undone["status"]["suspended"], conditions(undone)["Drifted"][0]) == (False, "False")


async def test_the_rules_are_those_of_the_admin_api(cluster: Cluster) -> None:
    name = await cluster.apply(WORKSPACES, name="Acme", plan="gold")
    refused = await cluster.seen(WORKSPACES, name)
    assert conditions(refused) == {"Ready": ("False", "InvalidRequest")}
    assert message(refused, "Ready").startswith("plan must be one of: ")
    await cluster.apply(WORKSPACES, name, plan="free")
    assert conditions(await cluster.seen(WORKSPACES, name))["Ready"][0] == "True"

    key = await cluster.apply(API_KEYS, workspaceRef={"name": name})
    locked = await cluster.seen(API_KEYS, key)
    assert conditions(locked) == {"Ready": ("False", "ApiAccessLocked")}
    assert await cluster.secret(key) is None
    await cluster.apply(WORKSPACES, name, plan="pro")
    assert conditions(await cluster.seen(API_KEYS, key))["Ready"][0] == "True"

    late = await cluster.apply(
        API_KEYS, workspaceRef={"name": name}, expiresAt="2020-01-01T00:00:00Z"
    )
    assert message(await cluster.seen(API_KEYS, late), "Ready").startswith("expiresAt must be")


async def test_a_workspace_that_exists_is_taken_over_only_where_the_namespace_is_bound(
    cluster: Cluster,
) -> None:
    for workspace_id in ("ws_a", "ws_theirs"):
        await cluster.stores.workspaces.create(
            Workspace(_id=workspace_id, name="Old", plan="pro", created_at=clock.now())
        )
    # The namespace of these tests is bound to ws_a and ws_b.
    mine = await cluster.apply(WORKSPACES, workspaceId="ws_a", name="New", plan="business")
    theirs = await cluster.apply(WORKSPACES, workspaceId="ws_theirs", name="X", plan="free")
    missing = await cluster.apply(WORKSPACES, workspaceId="ws_b", name="X", plan="free")
    body = await cluster.seen(WORKSPACES, mine)
    assert (body["status"]["workspaceId"], body["status"]["plan"]) == ("ws_a", "business")

    refused = await cluster.seen(WORKSPACES, theirs)
    assert conditions(refused) == {"Ready": ("False", "WorkspaceNotBound")}
    untouched = await cluster.stores.workspaces.get("ws_theirs")
    assert untouched is not None
    assert (untouched.name, untouched.plan, untouched.managed_by) == ("Old", "pro", None)
    key = await cluster.apply(API_KEYS, workspaceRef={"name": theirs})
    assert conditions(await cluster.seen(API_KEYS, key)) == {
        "Ready": ("False", "WorkspaceNotBound")
    }
    assert await cluster.stores.keys.all_of("ws_theirs") == []
    assert conditions(await cluster.seen(WORKSPACES, missing)) == {
        "Ready": ("False", "WorkspaceNotFound")
    }

    second = await cluster.apply(WORKSPACES, workspaceId="ws_a", name="Mine too", plan="free")
    doubled = await cluster.seen(WORKSPACES, second)
    assert conditions(doubled) == {"Ready": ("False", "ManagedElsewhere")}
    assert mine in message(doubled, "Ready")
    of_second = await cluster.apply(API_KEYS, workspaceRef={"name": second})
    refused_key = await cluster.seen(API_KEYS, of_second)
    assert conditions(refused_key) == {"Ready": ("False", "ManagedElsewhere")}
    # Deleting the one that holds nothing changes nothing of what the other holds.
    await cluster.delete(WORKSPACES, second)
    await cluster.look()
    held = await cluster.stores.workspaces.get("ws_a")
    assert held is not None and held.suspended_at is None
    assert held.managed_by is not None and held.managed_by.name == mine


async def test_a_workspace_of_another_namespace_is_nobodys_to_take(cluster: Cluster) -> None:
    await cluster.stores.workspaces.create(
        Workspace(
            _id="ws_a",
            name="Other shard's",
            plan="pro",
            created_at=clock.now(),
            managed_by=ManagedBy(namespace="elsewhere", name="acme", uid="gone-there"),
        )
    )
    name = await cluster.apply(WORKSPACES, workspaceId="ws_a", name="X", plan="free")
    assert conditions(await cluster.seen(WORKSPACES, name)) == {
        "Ready": ("False", "ManagedElsewhere")
    }
    await cluster.stores.workspaces.release("ws_a")
    assert conditions(await cluster.seen(WORKSPACES, name))["Ready"][0] == "True"


async def test_deletion_waits_until_the_jobs_of_the_workspace_have_ended(
    cluster: Cluster,
) -> None:
    name, workspace_id = await cluster.workspace()
    record = make_record(workspace=workspace_id)
    await cluster.stores.admissions.admit(record, resets_at=period_end(record.created_at))

    await cluster.delete(WORKSPACES, name)
    waiting = await cluster.seen(WORKSPACES, name)
    assert conditions(waiting) == {"Ready": ("False", "JobsRunning")}
    assert "jobs that have not ended: 1" in message(waiting, "Ready")
    suspended = await cluster.stores.workspaces.get(workspace_id)
    assert suspended is not None and suspended.suspended_at is not None

    await cluster.stores.jobs.cancel_queued(
        record.id, workspace=workspace_id, reason="canceled_by_user", at=clock.now()
    )
    await cluster.look()
    assert await cluster.found(WORKSPACES, name) is None
    released = await cluster.stores.workspaces.get(workspace_id)
    assert released is not None
    assert released.managed_by is None and released.suspended_at is not None


async def test_a_retained_workspace_goes_on_without_its_resource(cluster: Cluster) -> None:
    name, workspace_id = await cluster.workspace(deletionPolicy="Retain")
    await cluster.delete(WORKSPACES, name)
    await cluster.look()
    assert await cluster.found(WORKSPACES, name) is None
    left = await cluster.stores.workspaces.get(workspace_id)
    assert left is not None and left.suspended_at is None and left.managed_by is None


async def test_a_token_is_written_into_a_secret_once_and_goes_with_its_resource(
    cluster: Cluster,
) -> None:
    workspace, workspace_id = await cluster.workspace()
    name = await cluster.apply(
        API_KEYS, workspaceRef={"name": workspace}, scopes=["jobs:read"], secretName=new_name()
    )
    body = await cluster.seen(API_KEYS, name)
    assert conditions(body)["Ready"] == ("True", "TokenWritten")
    status, uid = body["status"], body["metadata"]["uid"]
    secret = await cluster.secret(status["secretName"])
    assert secret is not None
    (owner,) = secret.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("ApiKey", name, uid, True)
    token = base64.b64decode(secret.data["token"]).decode()
    assert key_id_of(token) == status["keyId"] == key_id_of_resource(uid)
    key = await cluster.stores.keys.get(status["keyId"])
    assert key is not None
    assert key.token_hash == hash_token(token, PEPPER)
    assert (key.workspace, key.scopes, key.sealed_token) == (workspace_id, ["jobs:read"], None)
    assert token not in str(body) and status["lastFour"] == token[-4:]

    # It is nobody's to give twice: one that was deleted stays so, one that was changed too.
    await cluster.core.delete_namespaced_secret(status["secretName"], cluster.kube.namespace)
    await cluster.look()
    assert await cluster.secret(status["secretName"]) is None

    await cluster.delete(API_KEYS, name)
    await cluster.look()
    assert await cluster.found(API_KEYS, name) is None
    revoked = await cluster.stores.keys.get(status["keyId"])
    assert revoked is not None and revoked.revoked_at is not None


async def test_a_secret_that_exists_is_neither_read_nor_changed(cluster: Cluster) -> None:
    workspace, workspace_id = await cluster.workspace()
    name = new_name()
    await cluster.core.create_namespaced_secret(
        cluster.kube.namespace, {"metadata": {"name": name}, "stringData": {"mine": "1"}}
    )
    await cluster.apply(API_KEYS, name, workspaceRef={"name": workspace})
    refused = await cluster.seen(API_KEYS, name)
    assert conditions(refused) == {"Ready": ("False", "SecretExists")}
    secret = await cluster.secret(name)
    assert secret is not None and set(secret.data) == {"mine"}
    assert await cluster.stores.keys.all_of(workspace_id) == []
    await cluster.core.delete_namespaced_secret(name, cluster.kube.namespace)
    assert conditions(await cluster.seen(API_KEYS, name))["Ready"][0] == "True"


async def test_whoever_dies_while_a_token_is_handed_over_leaves_nothing_undone(
    cluster: Cluster, database: Database
) -> None:
    workspace, _ = await cluster.workspace()
    name = await cluster.apply(API_KEYS, workspaceRef={"name": workspace})
    dying = DyingCalls(cluster.kube.tenants)
    _, first = operator_on(cluster.kube, database, dying, cluster.objects)
    cluster.controller, second = first, cluster.controller
    with pytest.raises(Died):
        await cluster.look()
    key_body = await cluster.found(API_KEYS, name)
    assert key_body is not None
    key = await cluster.stores.keys.get(key_id_of_resource(key_body["metadata"]["uid"]))
    assert key is not None and key.sealed_token is not None and key.secret_tried

    cluster.controller = second
    body = await cluster.seen(API_KEYS, name)
    assert conditions(body)["Ready"] == ("True", "TokenWritten")
    secret = await cluster.secret(name)
    assert secret is not None
    token = base64.b64decode(secret.data["token"]).decode()
    after = await cluster.stores.keys.get(key.id)
    assert after is not None
    assert after.token_hash == hash_token(token, PEPPER) and after.sealed_token is None


async def test_a_key_that_was_revoked_elsewhere_is_shown_as_drifted(cluster: Cluster) -> None:
    workspace, _ = await cluster.workspace()
    name = await cluster.apply(API_KEYS, workspaceRef={"name": workspace})
    key_id = (await cluster.seen(API_KEYS, name))["status"]["keyId"]
    await cluster.stores.keys.revoke(None, key_id, actor=ADMIN_COMMAND, at=clock.now())
    shown = await cluster.seen(API_KEYS, name)
    assert conditions(shown) == {"Ready": ("False", "Revoked"), "Drifted": ("True", "Revoked")}


async def test_a_key_that_has_expired_is_not_ready(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _ = await cluster.workspace()
    soon = clock.now() + timedelta(hours=1)
    name = await cluster.apply(
        API_KEYS, workspaceRef={"name": workspace}, expiresAt=clock.rfc3339(soon)
    )
    assert conditions(await cluster.seen(API_KEYS, name))["Ready"][0] == "True"
    monkeypatch.setattr("imagerift_operator.tenants.api_keys.now", lambda: soon)
    assert conditions(await cluster.seen(API_KEYS, name))["Ready"] == ("False", "Expired")


async def test_a_key_waits_for_its_workspace_and_names_only_those_of_its_namespace(
    cluster: Cluster,
) -> None:
    later = new_name()
    key = await cluster.apply(API_KEYS, workspaceRef={"name": later})
    waiting = await cluster.seen(API_KEYS, key)
    assert conditions(waiting) == {"Ready": ("False", "WorkspaceNotFound")}
    await cluster.apply(WORKSPACES, later, name="Late", plan="pro")
    assert conditions(await cluster.seen(API_KEYS, key))["Ready"][0] == "True"


async def test_a_key_is_of_the_workspace_that_it_was_made_of(cluster: Cluster) -> None:
    workspace, workspace_id = await cluster.workspace(deletionPolicy="Retain")
    name = await cluster.apply(API_KEYS, workspaceRef={"name": workspace})
    assert conditions(await cluster.seen(API_KEYS, name))["Ready"][0] == "True"
    await cluster.delete(WORKSPACES, workspace)
    await cluster.look()
    await cluster.apply(WORKSPACES, workspace, name="Anew", plan="pro")
    shown = await cluster.seen(API_KEYS, name)
    assert conditions(shown)["Ready"] == ("False", "SpecChanged")
    assert "workspaceRef" in message(shown, "Ready")
    assert shown["status"]["workspaceId"] == workspace_id


async def test_a_standby_changes_nothing(cluster: Cluster) -> None:
    cluster.leading.leading = False
    name = await cluster.apply(WORKSPACES, name="Acme", plan="pro")
    body = await cluster.seen(WORKSPACES, name)
    assert "status" not in body and "finalizers" not in body["metadata"]
    cluster.leading.leading = True
    cluster.controller.look_at_all()
    assert conditions(await cluster.seen(WORKSPACES, name))["Ready"][0] == "True"
