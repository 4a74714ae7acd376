"""The definitions of the resources of tenants."""

from __future__ import annotations

from typing import Any

from imagerift_core.definition_parts import column, definition, keyed, structural_schema
from imagerift_core.generation import MAX_MODE_NAME, MODE_NAME
from imagerift_core.tenant_resources import (
    API_KEYS,
    MODES,
    PLANS,
    WEBHOOKS,
    WORKSPACES,
    ApiKeySpec,
    ApiKeyStatus,
    ModeSpec,
    OfferStatus,
    PlanSpec,
    WebhookEndpointSpec,
    WebhookEndpointStatus,
    WorkspaceSpec,
    WorkspaceStatus,
)


def _status_of(kind: str) -> str:
    """Path of the status of a condition."""
    return f'.status.conditions[?(@.type=="{kind}")].status'


def _reason_of(kind: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].reason'


def workspace_definition() -> dict[str, Any]:
    spec = structural_schema(WorkspaceSpec)
    spec["x-kubernetes-validations"] = [
        {
            "rule": "has(self.workspaceId) == has(oldSelf.workspaceId) "
            "&& (!has(self.workspaceId) || self.workspaceId == oldSelf.workspaceId)",
            "message": "workspaceId is immutable",
        }
    ]
    return definition(
        plural=WORKSPACES,
        singular="workspace",
        kind="Workspace",
        short="iws",
        about="A workspace: who is charged for jobs, and on which plan. Whoever may make these "
        "decides on plans, so that is an administrator's right.",
        spec=spec,
        status=keyed(structural_schema(WorkspaceStatus), "conditions", "type"),
        columns=[
            column("Ready", _status_of("Ready")),
            column("Plan", ".status.plan"),
            column("Workspace", ".status.workspaceId"),
            column("Drifted", _status_of("Drifted")),
            column("Reason", _reason_of("Ready"), wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def api_key_definition() -> dict[str, Any]:
    spec = structural_schema(ApiKeySpec)
    spec["x-kubernetes-validations"] = [
        {"rule": "self == oldSelf", "message": "spec is immutable: make another ApiKey"}
    ]
    return definition(
        plural=API_KEYS,
        singular="apikey",
        kind="ApiKey",
        short="iak",
        about="An API key of a workspace, with its token in a Secret. Deleting it revokes the key. "
        "Whoever may make these acts for every Workspace of the namespace.",
        spec=spec,
        status=keyed(structural_schema(ApiKeyStatus), "conditions", "type"),
        columns=[
            column("Ready", _status_of("Ready")),
            column("Workspace", ".spec.workspaceRef.name"),
            column("Secret", ".status.secretName"),
            column("Expires", ".status.expiresAt"),
            column("Drifted", _status_of("Drifted"), wide=True),
            column("Reason", _reason_of("Ready"), wide=True),
            column("Used", ".status.lastUsedAt", "date", wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def webhook_endpoint_definition() -> dict[str, Any]:
    spec = structural_schema(WebhookEndpointSpec)
    spec["x-kubernetes-validations"] = [
        {"rule": "self == oldSelf", "message": "spec is immutable: make another WebhookEndpoint"}
    ]
    return definition(
        plural=WEBHOOKS,
        singular="webhookendpoint",
        kind="WebhookEndpoint",
        short="iwh",
        about="An address that hears of a workspace's jobs, with what its messages are signed with "
        "in a Secret. Deleting it deletes the webhook, and what it had still to be sent.",
        spec=spec,
        status=keyed(structural_schema(WebhookEndpointStatus), "conditions", "type"),
        columns=[
            column("Ready", _status_of("Ready")),
            column("Workspace", ".spec.workspaceRef.name"),
            column("Url", ".spec.url"),
            column("Secret", ".status.secretName"),
            column("Drifted", _status_of("Drifted"), wide=True),
            column("Reason", _reason_of("Ready"), wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


# What a plan's, or a mode's, own name may be: jobs name modes, and workspaces plans.
_NAME_RULES = [
    {
        "rule": f"self.metadata.name.matches('{MODE_NAME}')",
        "message": "the name must begin with a letter and hold lower-case letters, digits and "
        "hyphens alone",
    },
    {
        "rule": f"size(self.metadata.name) <= {MAX_MODE_NAME}",
        "message": f"the name must have {MAX_MODE_NAME} characters at most",
    },
]


def plan_definition() -> dict[str, Any]:
    return definition(
        plural=PLANS,
        singular="plan",
        kind="Plan",
        short="ipl",
        about="A plan of the whole installation, by the name of this resource: one more, or one in "
        "the place of that of its files. Deleting it waits until no workspace is on it.",
        spec=structural_schema(PlanSpec),
        status=keyed(structural_schema(OfferStatus), "conditions", "type"),
        rules=_NAME_RULES,
        columns=[
            column("Ready", _status_of("Ready")),
            column("Units", ".spec.unitsPerMonth", "integer"),
            column("Export", ".spec.maxExport"),
            column("Api", ".spec.apiAccess", "boolean"),
            column("Drifted", _status_of("Drifted")),
            column("Overrides", _status_of("OverridesFile"), wide=True),
            column("Reason", _reason_of("Ready"), wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def mode_definition() -> dict[str, Any]:
    spec = structural_schema(ModeSpec)
    spec["x-kubernetes-validations"] = [
        {
            "rule": "!self.presetRequired || size(self.presets) > 0",
            "message": "a mode whose jobs have to name a preset needs presets",
        },
    ]
    return definition(
        plural=MODES,
        singular="mode",
        kind="Mode",
        short="imo",
        about="A mode of the whole installation, by the name of this resource: one more, or one in "
        "the place of that of its files. Deleting it waits until no pool serves it and its jobs "
        "have ended.",
        spec=spec,
        status=keyed(structural_schema(OfferStatus), "conditions", "type"),
        rules=_NAME_RULES,
        columns=[
            column("Ready", _status_of("Ready")),
            column("Model", ".spec.model"),
            column("Sizes", ".spec.exportSizes"),
            column("Drifted", _status_of("Drifted")),
            column("Overrides", _status_of("OverridesFile"), wide=True),
            column("Reason", _reason_of("Ready"), wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )
