"""An operator's keepers of tenants on a real API server and a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from imagerift_core.catalogue import Catalogue
from imagerift_core.egress import Egress
from imagerift_core.kube import Kube
from imagerift_core.kube_tenants import TenantCalls
from imagerift_core.modes import load_modes
from imagerift_core.mongo import Database, Stores
from imagerift_core.plans import load_plans
from imagerift_core.sealing import Sealer
from imagerift_core.tenant_resources import (
    API_KEYS,
    MODES,
    PLANS,
    WEBHOOKS,
    WORKSPACES,
)
from imagerift_core.tenants import KeyMaker, WorkspaceRules
from imagerift_core.webhook_maker import WebhookMaker
from imagerift_core.webhook_secrets import WebhookSecrets
from imagerift_operator.leadership import Leadership
from imagerift_operator.tenants.api_keys import KeyKeeper
from imagerift_operator.tenants.controller import TenantController
from imagerift_operator.tenants.objects import TenantObjects
from imagerift_operator.tenants.offers import OfferKeeper
from imagerift_operator.tenants.webhooks import WebhookKeeper
from imagerift_operator.tenants.workspaces import WorkspaceKeeper
from kubernetes.aio import client

from tests.contract.kube.bodies import new_name
from tests.unit.operator.builders import isolation

PEPPER = b"p" * 32
GROUP, VERSION = "imagerift.dev", "v1"
KINDS = {
    PLANS: "Plan",
    MODES: "Mode",
    WORKSPACES: "Workspace",
    API_KEYS: "ApiKey",
    WEBHOOKS: "WebhookEndpoint",
}
Body = dict[str, Any]


class Leading:
    """The lease is ours while `leading` says so."""

    leading = True

    def on_lead(self, begin: Any) -> None:
        """It is from the beginning."""


class Died(BaseException):
    """What nobody catches."""


class DyingCalls:
    """The calls of an operator that dies once in the middle of one: right after it was made."""

    def __init__(self, calls: TenantCalls) -> None:
        self._calls = calls
        self.dies = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)

    async def create_secret(self, secret: Body, *, only_try: bool = False) -> bool:
        made = await self._calls.create_secret(secret, only_try=only_try)
        if self.dies and not only_try:
            self.dies = False
            raise Died
        return made


@dataclass
class Cluster:
    """A namespace with an operator of tenants that looks when it is told to."""

    api: client.CustomObjectsApi
    core: client.CoreV1Api
    kube: Kube
    stores: Stores
    controller: TenantController
    objects: TenantObjects
    leading: Leading

    async def apply(self, plural: str, name: str | None = None, /, **spec: Any) -> str:
        """Makes a resource, or changes its spec; its name."""
        if name is not None and await self.found(plural, name):
            await self.api.patch_namespaced_custom_object(
                GROUP, VERSION, self.kube.namespace, plural, name, {"spec": spec},
                _content_type="application/merge-patch+json",
            )  # fmt: skip
            return name
        name = name or new_name()
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KINDS[plural],
            "metadata": {"name": name},
            "spec": spec,
        }
        await self.api.create_namespaced_custom_object(
            GROUP, VERSION, self.kube.namespace, plural, body
        )
        return name

    async def delete(self, plural: str, name: str) -> None:
        await self.api.delete_namespaced_custom_object(
            GROUP, VERSION, self.kube.namespace, plural, name
        )

    async def listed(self, plural: str) -> list[Body]:
        found = await self.api.list_namespaced_custom_object(
            GROUP, VERSION, self.kube.namespace, plural
        )
        items: list[Body] = found["items"]
        return items

    async def found(self, plural: str, name: str) -> Body | None:
        found = [one for one in await self.listed(plural) if one["metadata"]["name"] == name]
        return found[0] if found else None

    async def look(self) -> None:
        """As after a list of all that there is; twice, for what the first look has changed."""
        for _ in range(2):
            for plural in KINDS:
                bodies = await self.listed(plural)
                for gone in self.objects.uids(plural) - {one["metadata"]["uid"] for one in bodies}:
                    self.controller.observe("DELETED", plural, {"metadata": {"uid": gone}})
                for body in bodies:
                    self.controller.observe(None, plural, body)
            await self.controller.look_at_due()

    async def seen(self, plural: str, name: str) -> Body:
        """The resource after a look."""
        await self.look()
        found = await self.found(plural, name)
        assert found is not None
        return found

    async def workspace(self, **spec: Any) -> tuple[str, str]:
        """A Workspace that is ready: its name, and the workspace's id."""
        name = await self.apply(WORKSPACES, **({"name": "Acme", "plan": "pro"} | spec))
        body = await self.seen(WORKSPACES, name)
        assert conditions(body)["Ready"] == ("True", "Open"), body
        return name, body["status"]["workspaceId"]

    async def secret(self, name: str) -> Any | None:
        listed = await self.core.list_namespaced_secret(self.kube.namespace)
        found = [one for one in listed.items if one.metadata.name == name]
        return found[0] if found else None


def conditions(body: Body) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in body["status"]["conditions"]}


def message(body: Body, kind: str) -> str:
    (found,) = [c["message"] for c in body["status"]["conditions"] if c["type"] == kind]
    return str(found)


def operator_on(kube: Kube, database: Database, calls: Any, objects: TenantObjects) -> Any:
    stores = Stores(database)
    catalogue = Catalogue(stores.catalogue, load_plans(), load_modes())
    rules = WorkspaceRules(stores.workspaces, catalogue.open_plans)
    workspaces = WorkspaceKeeper(stores, rules, kube, objects)
    keys = KeyKeeper(
        keys=stores.keys,
        maker=KeyMaker(stores.keys, stores.workspaces, catalogue.plans, PEPPER),
        sealer=Sealer(PEPPER),
        kube=calls,
        workspaces=workspaces,
    )
    maker = WebhookMaker(
        stores.webhooks, WebhookSecrets(Sealer(PEPPER)), Egress(refused_networks=())
    )
    leading = Leading()
    keepers = {
        PLANS: OfferKeeper("plan", PLANS, stores.catalogue, catalogue, objects),
        MODES: OfferKeeper("mode", MODES, stores.catalogue, catalogue, objects),
        WORKSPACES: workspaces,
        API_KEYS: keys,
        WEBHOOKS: WebhookKeeper(stores.webhooks, maker, calls, workspaces),
    }
    return leading, TenantController(
        cast(Any, keepers), objects, calls, cast(Leadership, leading), isolation()
    )


@asynccontextmanager
async def cluster_on(
    administrator: client.ApiClient, kube: Kube, database: Database
) -> AsyncIterator[Cluster]:
    """A namespace with an operator, of whose resources nothing is left afterwards."""
    objects = TenantObjects()
    leading, controller = operator_on(kube, database, kube.tenants, objects)
    made = Cluster(
        client.CustomObjectsApi(administrator),
        client.CoreV1Api(administrator),
        kube,
        Stores(database),
        controller,
        objects,
        leading,
    )
    yield made
    leading.leading = False
    for plural in KINDS:
        for body in await made.listed(plural):
            await kube.tenants.set_finalizers(plural, body, [])
            if "deletionTimestamp" not in body["metadata"]:
                await made.delete(plural, body["metadata"]["name"])
