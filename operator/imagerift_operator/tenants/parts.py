"""The parts that keep tenants, made where the settings ask for them."""

from __future__ import annotations

from imagerift_core.sealing import Sealer, derived_key
from imagerift_core.tenant_resources import API_KEYS, WORKSPACES
from imagerift_core.tenants import KeyMaker, WorkspaceRules

from imagerift_operator.dependencies import Dependencies
from imagerift_operator.tenants.api_keys import KeyKeeper
from imagerift_operator.tenants.controller import TenantController
from imagerift_operator.tenants.objects import TenantObjects
from imagerift_operator.tenants.workspaces import WorkspaceKeeper


def tenant_controller(given: Dependencies) -> TenantController | None:
    """What follows the resources of tenants; None where they are not to be followed."""
    settings, stores = given.settings, given.stores
    if not settings.tenants or settings.key_pepper is None:
        return None
    pepper = bytes.fromhex(settings.key_pepper.get_secret_value())
    objects = TenantObjects()
    rules = WorkspaceRules(stores.workspaces, given.plans)
    workspaces = WorkspaceKeeper(stores, rules, given.kube, objects)
    keys = KeyKeeper(
        keys=stores.keys,
        maker=KeyMaker(stores.keys, stores.workspaces, given.plans, pepper),
        sealer=Sealer(derived_key(pepper, "imagerift tokens under way")),
        kube=given.kube.tenants,
        workspaces=workspaces,
        objects=objects,
    )
    return TenantController(
        {WORKSPACES: workspaces, API_KEYS: keys},
        objects,
        given.kube.tenants,
        given.leadership,
        given.isolations.of("tenants"),
    )
