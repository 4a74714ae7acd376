"""GenerationJobs as documents, as `kubectl` writes and reads them."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until

BINDING = "workspaces.imagerift.dev/"


def resource(platform: PlatformUnderTest, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(platform.kubectl("get", "gj", name, "-o", "json").stdout)
    return found


def manifest(name: str, tenant: Tenant, key: str, **spec: Any) -> str:
    body = {"workspace": tenant.workspace, "mode": "noop", "source": {"key": key}}
    return json.dumps(
        {
            "apiVersion": "imagerift.dev/v1",
            "kind": "GenerationJob",
            "metadata": {"name": name},
            "spec": body | spec,
        }
    )


def phase_reached(platform: PlatformUnderTest, name: str, phase: str) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        found = resource(platform, name)
        return found if found.get("status", {}).get("phase") == phase else None

    found: dict[str, Any] = wait_until(reached, seconds=45, what=f"{name} {phase}")
    return found
