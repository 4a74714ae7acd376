"""The definitions of `Workspace` and `ApiKey`."""

from __future__ import annotations

from typing import Any

from imagerift_core.definition_parts import column, definition, keyed, structural_schema
from imagerift_core.tenant_resources import (
    API_KEYS,
    WORKSPACES,
    ApiKeySpec,
    ApiKeyStatus,
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
