"""The recipes for autoscalers in docs/telemetry.md scale, and ask for, what is there."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from imagerift_core import crds
from imagerift_core.resources import GROUP, VERSION
from kubernetes_validate import validate

from tests.charts.rendering import CHARTS, Objects
from tests.charts.test_monitoring import check

PAGE = (CHARTS.parent / "docs" / "telemetry.md").read_text()
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
KEDA, ADAPTER, AUTOSCALER = BLOCKS
RECORDED = "imagerift:pool_jobs"


def recorded(examples: dict[str, Objects]) -> set[str]:
    (rule,) = examples["production"].of("PrometheusRule")
    return {
        entry["record"]
        for group in rule["spec"]["groups"]
        for entry in group["rules"]
        if "record" in entry
    }


@pytest.mark.parametrize("recipe", [KEDA, AUTOSCALER], ids=["keda", "hpa"])
def test_a_recipe_scales_pools_by_their_scale_subresource(recipe: dict[str, Any]) -> None:
    target = recipe["spec"]["scaleTargetRef"]
    assert target["apiVersion"] == f"{GROUP}/{VERSION}" and target["kind"] == "TritonPool"
    (definition,) = [
        body
        for body in map(yaml.safe_load, crds.manifests().values())
        if body["spec"]["names"]["kind"] == target["kind"]
    ]
    (version,) = [each for each in definition["spec"]["versions"] if each["name"] == VERSION]
    assert version["subresources"]["scale"]["specReplicasPath"] == ".spec.replicas"


def test_kedas_query_asks_for_what_is_recorded(examples: dict[str, Objects]) -> None:
    (trigger,) = KEDA["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    query = trigger["metadata"]["query"]
    check(query, {})
    assert RECORDED in query and RECORDED in recorded(examples)
    # Every value of a trigger's metadata is a text.
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_the_autoscaler_is_valid_and_asks_for_what_the_adapter_serves() -> None:
    for version in ("1.31", "1.36"):
        validate(AUTOSCALER, version, strict=True)
    (rule,) = ADAPTER["rules"]["external"]
    assert f'"{RECORDED}"' in rule["seriesQuery"]
    (metric,) = AUTOSCALER["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == rule["name"]["as"]
