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


def made(platform: PlatformUnderTest, job_id: str) -> str:
    """Waits for a job's resource, which a busy API makes a moment after the job is accepted."""

    def there() -> bool:
        return platform.kubectl("get", "gj", job_id, check=False).returncode == 0

    wait_until(there, seconds=30, what=f"the resource {job_id}")
    return job_id


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
