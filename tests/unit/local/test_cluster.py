"""The objects that the platform applies to its cluster."""

from __future__ import annotations

import yaml
from imagerift_local.cluster import (
    RBAC_FILE,
    SERVICE_ACCOUNTS,
    pool_manifest,
    rbac_manifests,
)


def test_the_charts_rights_are_applied_to_the_namespace() -> None:
    manifests = rbac_manifests(RBAC_FILE.read_text(), "shard")
    accounts = {m["metadata"]["name"] for m in manifests if m["kind"] == "ServiceAccount"}
    assert accounts == set(SERVICE_ACCOUNTS)
    assert {m["metadata"]["namespace"] for m in manifests} == {"shard"}
    assert "NAMESPACE" not in yaml.safe_dump(manifests)


def test_the_pool_points_at_triton() -> None:
    spec = pool_manifest("shard", "http://127.0.0.1:18000", ["style"], 3)["spec"]
    assert spec == {"endpoint": "http://127.0.0.1:18000", "slotsPerReplica": 3, "modes": ["style"]}
