"""The parts that keep tenants, made where the settings ask for them."""

from __future__ import annotations

from imagerift_core.sealing import Sealer, derived_key
from imagerift_core.tenant_resources import API_KEYS, MODES, PLANS, WEBHOOKS, WORKSPACES
from imagerift_core.tenants import KeyMaker, WorkspaceRules
from imagerift_core.webhook_maker import WebhookMaker
from imagerift_core.webhook_secrets import WebhookSecrets

from imagerift_operator.dependencies import Dependencies
from imagerift_operator.tenants.api_keys import KeyKeeper
from imagerift_operator.tenants.controller import TenantController
from imagerift_operator.tenants.objects import TenantObjects
from imagerift_operator.tenants.offers import OfferKeeper
from imagerift_operator.tenants.webhooks import WebhookKeeper
from imagerift_operator.tenants.workspaces import WorkspaceKeeper


def tenant_controller(given: Dependencies) -> TenantController | None:
    """What follows the resources of tenants; None where they are not to be followed."""
    settings, stores, kube = given.settings, given.stores, given.kube.tenants
    if not settings.tenants or settings.key_pepper is None:
        return None
    pepper, catalogue, objects = settings.pepper(), given.catalogue, TenantObjects()
    rules = WorkspaceRules(stores.workspaces, catalogue.open_plans)
    workspaces = WorkspaceKeeper(stores, rules, given.kube, objects)
    keys = KeyKeeper(
        keys=stores.keys,
        maker=KeyMaker(stores.keys, stores.workspaces, catalogue.plans, pepper),
        sealer=Sealer(derived_key(pepper, "imagerift tokens under way")),
        kube=kube,
        workspaces=workspaces,
    )
    secrets = WebhookSecrets(Sealer(settings.webhook_secret()))
    maker = WebhookMaker(stores.webhooks, secrets, settings.egress())
    return TenantController(
        {
            PLANS: OfferKeeper("plan", PLANS, stores.catalogue, catalogue, objects),
            MODES: OfferKeeper("mode", MODES, stores.catalogue, catalogue, objects),
            WORKSPACES: workspaces,
            API_KEYS: keys,
            WEBHOOKS: WebhookKeeper(stores.webhooks, maker, kube, workspaces),
        },
        objects,
        kube,
        given.leadership,
        given.isolations.of("tenants"),
    )
