"""WebhookEndpoint resources on a real API server and a real database, look by look."""

from __future__ import annotations

import base64

import pytest
from imagerift_core import clock
from imagerift_core.mongo import Database
from imagerift_core.mongo.account_log import ADMIN_COMMAND
from imagerift_core.sealing import Sealer
from imagerift_core.tenant_resources import WEBHOOKS, webhook_id_of_resource
from imagerift_core.webhook_secrets import WebhookSecrets
from imagerift_core.webhooks import ALL_EVENTS

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

# Of a public address, for which no name server has to be asked.
URL = "https://93.184.216.34/hook"
SECRETS = WebhookSecrets(Sealer(PEPPER))


async def handed_over(cluster: Cluster, name: str) -> str:
    secret = await cluster.secret(name)
    assert secret is not None
    return base64.b64decode(secret.data["secret"]).decode()


async def test_a_webhook_is_made_once_and_its_secret_is_in_a_secret_alone(
    cluster: Cluster,
) -> None:
    workspace, workspace_id = await cluster.workspace()
    name = await cluster.apply(
        WEBHOOKS, workspaceRef={"name": workspace}, url=URL, events=["job.failed"]
    )
    body = await cluster.seen(WEBHOOKS, name)
    assert conditions(body) == {
        "Ready": ("True", "SecretWritten"),
        "Drifted": ("False", "AsApplied"),
    }
    webhook_id = webhook_id_of_resource(body["metadata"]["uid"])
    assert body["status"]["webhookId"] == webhook_id
    (webhook,) = await cluster.stores.webhooks.all_of(workspace_id)
    assert (webhook.id, webhook.url, webhook.events) == (webhook_id, URL, ["job.failed"])
    assert str(webhook.managed_by) == f"{cluster.kube.namespace}/{name}"
    secret = await handed_over(cluster, name)
    assert secret == SECRETS.open(webhook.secret, webhook_id)
    assert secret not in str(body) and secret.startswith("whsec_")
    assert await cluster.seen(WEBHOOKS, name) == body

    # It is not written twice, and goes with its resource.
    await cluster.core.delete_namespaced_secret(name, cluster.kube.namespace)
    await cluster.look()
    assert await cluster.secret(name) is None
    await cluster.delete(WEBHOOKS, name)
    await cluster.look()
    assert await cluster.found(WEBHOOKS, name) is None
    assert await cluster.stores.webhooks.all_of(workspace_id) == []
    entries = await cluster.stores.account_log.page(workspace_id, before=None, limit=9)
    assert [(entry.action, entry.actor.name) for entry in entries][:2] == [
        (action, f"WebhookEndpoint {cluster.kube.namespace}/{name}")
        for action in ("webhook.deleted", "webhook.created")
    ]


async def test_the_addresses_are_those_that_the_account_page_takes(cluster: Cluster) -> None:
    workspace, workspace_id = await cluster.workspace()
    for url in ("https://10.0.0.1/", "http://93.184.216.34/", "https://[::1]/"):
        name = await cluster.apply(WEBHOOKS, workspaceRef={"name": workspace}, url=url)
        refused = await cluster.seen(WEBHOOKS, name)
        assert conditions(refused) == {"Ready": ("False", "InvalidRequest")}
        assert message(refused, "Ready").startswith("url is refused: ")
        assert await cluster.secret(name) is None
    assert await cluster.stores.webhooks.all_of(workspace_id) == []


async def test_a_secret_that_exists_is_neither_read_nor_changed(cluster: Cluster) -> None:
    workspace, workspace_id = await cluster.workspace()
    taken = new_name()
    await cluster.core.create_namespaced_secret(
        cluster.kube.namespace, {"metadata": {"name": taken}, "stringData": {"mine": "1"}}
    )
    name = await cluster.apply(
        WEBHOOKS, workspaceRef={"name": workspace}, url=URL, secretName=taken
    )
    assert conditions(await cluster.seen(WEBHOOKS, name)) == {"Ready": ("False", "SecretExists")}
    assert await cluster.stores.webhooks.all_of(workspace_id) == []


async def test_whoever_dies_while_a_secret_is_handed_over_leaves_nothing_undone(
    cluster: Cluster, database: Database
) -> None:
    workspace, workspace_id = await cluster.workspace()
    name = await cluster.apply(WEBHOOKS, workspaceRef={"name": workspace}, url=URL)
    dying = DyingCalls(cluster.kube.tenants)
    _, first = operator_on(cluster.kube, database, dying, cluster.objects)
    cluster.controller, second = first, cluster.controller
    with pytest.raises(Died):
        await cluster.look()
    cluster.controller = second
    assert conditions(await cluster.seen(WEBHOOKS, name))["Ready"] == ("True", "SecretWritten")
    (webhook,) = await cluster.stores.webhooks.all_of(workspace_id)
    assert await handed_over(cluster, name) == SECRETS.open(webhook.secret, webhook.id)
    assert set(webhook.events) == set(ALL_EVENTS)


async def test_one_that_was_deleted_or_turned_off_elsewhere_is_shown(cluster: Cluster) -> None:
    workspace, workspace_id = await cluster.workspace()
    names = [
        await cluster.apply(WEBHOOKS, workspaceRef={"name": workspace}, url=URL) for _ in range(2)
    ]
    deleted, off = [(await cluster.seen(WEBHOOKS, name))["status"]["webhookId"] for name in names]
    at = clock.now()
    await cluster.stores.webhooks.delete(workspace_id, deleted, actor=ADMIN_COMMAND, at=at)
    await cluster.stores.webhooks.disable(off, reason="gone", actor=ADMIN_COMMAND, at=at)
    assert conditions(await cluster.seen(WEBHOOKS, names[0])) == {
        "Ready": ("False", "Deleted"),
        "Drifted": ("True", "Deleted"),
    }
    shown = await cluster.seen(WEBHOOKS, names[1])
    assert conditions(shown)["Ready"] == ("False", "Disabled")
    assert "(gone)" in message(shown, "Ready")
    assert [one.id for one in await cluster.stores.webhooks.all_of(workspace_id)] == [off]


async def test_it_names_only_workspaces_of_its_namespace(cluster: Cluster) -> None:
    name = await cluster.apply(WEBHOOKS, workspaceRef={"name": new_name()}, url=URL)
    waiting = await cluster.seen(WEBHOOKS, name)
    assert conditions(waiting) == {"Ready": ("False", "WorkspaceNotFound")}
