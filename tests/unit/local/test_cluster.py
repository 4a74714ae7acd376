"""The objects that the platform applies to its cluster."""

from __future__ import annotations

import yaml
from imagerift_local.cluster import (
    RBAC_FILE,
    SERVICE_ACCOUNTS,
    build_manifests,
    rbac_manifests,
)


def test_the_charts_rights_are_applied_to_the_namespace() -> None:
    manifests = rbac_manifests(RBAC_FILE.read_text(), "shard")
    accounts = {m["metadata"]["name"] for m in manifests if m["kind"] == "ServiceAccount"}
    assert accounts == set(SERVICE_ACCOUNTS)
    assert {m["metadata"]["namespace"] for m in manifests} == {"shard"}
    assert "NAMESPACE" not in yaml.safe_dump(manifests)


def test_the_pool_points_at_triton() -> None:
    (pool,) = build_manifests(
        "pool", namespace="shard", endpoint="http://127.0.0.1:18000", modes=["style"], slots=3
    )
    assert pool["metadata"] == {"name": "default", "namespace": "shard"}
    assert pool["spec"] == {
        "endpoint": "http://127.0.0.1:18000",
        "slotsPerReplica": 3,
        "modes": ["style"],
    }


def test_a_value_is_what_it_is_whatever_yaml_takes_it_for() -> None:
    (namespace,) = build_manifests("namespace", namespace="on")
    assert namespace["metadata"]["name"] == "on"
    (token,) = build_manifests("token", namespace="1", account="a", name="a-token")
    assert token["metadata"]["namespace"] == "1"
    assert token["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "a"}
