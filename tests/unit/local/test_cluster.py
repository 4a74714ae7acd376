"""The objects that the platform applies to its cluster."""

from __future__ import annotations

import pytest
import yaml
from imagerift_local.cluster import (
    CRD_FOLDER,
    RBAC_FILE,
    SERVICE_ACCOUNTS,
    object_path,
    pool_manifest,
    rbac_manifests,
    token_secret_manifest,
)
from imagerift_local.errors import PlatformError


def test_the_charts_rights_are_applied_to_the_namespace() -> None:
    manifests = rbac_manifests(RBAC_FILE.read_text(), "shard")
    accounts = {m["metadata"]["name"] for m in manifests if m["kind"] == "ServiceAccount"}
    assert accounts == set(SERVICE_ACCOUNTS)
    assert {m["metadata"]["namespace"] for m in manifests} == {"shard"}
    assert "NAMESPACE" not in yaml.safe_dump(manifests)


def test_every_object_of_the_chart_and_every_definition_can_be_applied() -> None:
    definitions = [yaml.safe_load(path.read_text()) for path in CRD_FOLDER.glob("*.yaml")]
    for manifest in [*rbac_manifests(RBAC_FILE.read_text(), "shard"), *definitions]:
        assert object_path(manifest, "shard").endswith(manifest["metadata"]["name"])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(PlatformError, match="v1 Pod"):
        object_path({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}, "shard")


def test_a_namespaced_path_names_the_objects_own_namespace() -> None:
    secret = token_secret_manifest("imagerift-api", "shard")
    assert object_path(secret, "other") == ("/api/v1/namespaces/shard/secrets/imagerift-api-token")


def test_the_pool_points_at_triton() -> None:
    spec = pool_manifest("shard", "http://127.0.0.1:18000", ["style"], 3)["spec"]
    assert spec == {"endpoint": "http://127.0.0.1:18000", "slotsPerReplica": 3, "modes": ["style"]}
