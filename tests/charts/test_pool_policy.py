"""The policy of pools, evaluated as an API server does, and the lists that the operator gets."""

from __future__ import annotations

from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel
from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.settings import OperatorSettings

from tests.charts.rendering import Helm, Objects, variables

VALUES = {
    "secrets": {
        "existingSecret": "mine",
        "existingBundledSecret": "mine",
        "existingModelSecret": "mine",
    },
    "pools": {
        "default": {"modes": ["style"], "template": {"runtimeClassName": "nvidia"}},
        "weights": {
            "modes": ["avatar"],
            "template": {
                "image": "registry:5000/own/triton:7",
                "modelVolume": {"claimName": "weights", "mountPath": "/models"},
                "serviceAccountName": "weights",
                "envFrom": [{"secretRef": {"name": "hub"}}],
                "initContainers": [{"name": "c", "image": "registry:5000/own/fetch:1"}],
            },
        },
        "outside": {"modes": ["style"], "endpoint": "http://triton.gpu.svc:8000"},
        "engine": {
            "modes": ["style"],
            "template": {
                "engine": {
                    "kind": "openai-images",
                    "origin": "https://sglang.gpu.svc:30000",
                    "secret": {"name": "sglang"},
                }
            },
        },
    },
    "networkPolicies": {"pools": [{"podSelector": {}}], "engines": [{"podSelector": {}}]},
    "allowedPools": {
        "policy": True,
        "images": ["docker.io/more"],
        "endpointHosts": [".models.example.com"],
        "engineHosts": [".engines.example.com"],
    },
}
ENVIRONMENT = celpy.Environment()
IMAGE = {"image": "docker.io/more:1"}
VOLUME = {"claimName": "weights", "mountPath": "/models"}


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v"} | source]}


def claim_volume(name: str) -> dict[str, Any]:
    return volume(persistentVolumeClaim={"claimName": name})


def variable(secret: str) -> dict[str, Any]:
    source = {"secretKeyRef": {"name": secret, "key": "k"}}
    return {"env": [{"name": "A", "valueFrom": source}]}


def before(**container: Any) -> dict[str, Any]:
    return {"initContainers": [{"name": "c"} | container]}


def engine(origin: str, **more: Any) -> dict[str, Any]:
    return {"template": IMAGE | {"engine": {"kind": "openai-images", "origin": origin} | more}}


SPECS: list[tuple[dict[str, Any], bool]] = [
    ({"template": IMAGE}, True),
    ({"template": {"image": "docker.io/more@sha256:" + "0" * 64}}, True),
    ({"template": {"image": "docker.io/more-evil:1"}}, False),
    ({"template": {"image": "registry:5000/own/triton:7"}}, True),
    ({"template": {"image": "registry:5000/own/triton:8"}}, False),
    ({"template": IMAGE | {"modelVolume": VOLUME}}, True),
    ({"template": IMAGE | {"modelVolume": VOLUME | {"claimName": "data-mongodb-0"}}}, False),
    ({"template": IMAGE | {"runtimeClassName": "nvidia"}}, True),
    ({"template": IMAGE | {"runtimeClassName": "runc"}}, False),
    ({"template": IMAGE | {"priorityClassName": "system-node-critical"}}, False),
    ({"template": IMAGE | {"serviceAccountName": "weights"}}, True),
    ({"template": IMAGE | {"serviceAccountName": "imagerift-operator"}}, False),
    ({"template": IMAGE | claim_volume("weights")}, True),
    ({"template": IMAGE | claim_volume("data-mongodb-0")}, False),
    ({"template": IMAGE | volume(image={"reference": "docker.io/more:2"})}, True),
    ({"template": IMAGE | volume(image={"reference": "docker.io/other:2"})}, False),
    ({"template": IMAGE | volume(secret={"secretName": "hub"})}, True),
    ({"template": IMAGE | volume(secret={"secretName": "imagerift-api"})}, False),
    ({"template": IMAGE | variable("hub")}, True),
    ({"template": IMAGE | variable("imagerift-api")}, False),
    ({"template": IMAGE | {"env": [{"name": "A", "value": "1"}]}}, True),
    ({"template": IMAGE | {"envFrom": [{"secretRef": {"name": "hub"}}]}}, True),
    ({"template": IMAGE | {"envFrom": [{"secretRef": {"name": "imagerift-api"}}]}}, False),
    ({"template": IMAGE | {"envFrom": [{"configMapRef": {"name": "any"}}]}}, True),
    ({"template": IMAGE | before(image="registry:5000/own/fetch:1")}, True),
    ({"template": IMAGE | before(image="registry:5000/own/fetch:2")}, False),
    ({"template": IMAGE | before(**IMAGE, **variable("hub"))}, True),
    ({"template": IMAGE | before(**IMAGE, **variable("imagerift-api"))}, False),
    ({"template": IMAGE | before(**IMAGE, envFrom=[{"secretRef": {"name": "x"}}])}, False),
    ({"endpoint": "http://triton.gpu.svc:8000"}, True),
    ({"endpoint": "https://a.models.example.com"}, True),
    ({"endpoint": "http://models.example.com"}, False),
    ({"endpoint": "http://tritonXgpu.svc:8000"}, False),
    ({"endpoint": "http://127.0.0.1:9913"}, False),
    (engine("https://sglang.gpu.svc:30000"), True),
    (engine("http://a.engines.example.com"), True),
    (engine("http://engines.example.com"), False),
    (engine("http://a.models.example.com"), False),
    (engine("https://sglangXgpu.svc:30000"), False),
    (engine("https://sglang.gpu.svc:30000", secret={"name": "sglang"}), True),
    (engine("https://sglang.gpu.svc:30000", secret={"name": "imagerift-api"}), False),
]


@pytest.fixture(scope="module")
def objects(helm: Helm) -> Objects:
    return helm.render(values=VALUES)


def evaluated(expression: str, values: dict[str, Any]) -> Any:
    return ENVIRONMENT.program(ENVIRONMENT.compile(expression)).evaluate(values)


def refusals(policy: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    body = json_to_cel({"spec": spec})
    known: dict[Any, Any] = {}
    # Each may name those before it.
    for one in policy["spec"]["variables"]:
        given = {"object": body, "variables": celpy.celtypes.MapType(known)}
        known[celpy.celtypes.StringType(one["name"])] = evaluated(one["expression"], given)
    given = {"object": body, "variables": celpy.celtypes.MapType(known)}
    return [
        rule["message"]
        for rule in policy["spec"]["validations"]
        if not evaluated(rule["expression"], given)
    ]


@pytest.mark.parametrize(("spec", "allowed"), SPECS, ids=str)
def test_policy_and_operator_allow_the_same(
    objects: Objects, spec: dict[str, Any], allowed: bool
) -> None:
    (policy,) = objects.of("ValidatingAdmissionPolicy")
    assert (refusals(policy, spec) == []) == allowed
    lists: dict[str, Any] = {
        name.removeprefix("IMAGERIFT_").lower(): value
        for name, value in variables(objects.pods["imagerift-operator"]).items()
        if name.startswith("IMAGERIFT_POOL_")
    }
    rules = OperatorSettings.model_construct(**lists).pool_rules()
    pool = TritonPoolSpec.model_validate({"modes": ["style"], "slotsPerReplica": 1} | spec)
    assert (rules.refusal(pool) is None) == allowed


def test_the_charts_own_pools_are_allowed(objects: Objects) -> None:
    (policy,) = objects.of("ValidatingAdmissionPolicy")
    for pool in objects.of("TritonPool"):
        assert refusals(policy, pool["spec"]) == [], pool["metadata"]["name"]


def test_it_holds_for_the_releases_namespace_alone(objects: Objects) -> None:
    (policy,) = objects.of("ValidatingAdmissionPolicy")
    (binding,) = objects.of("ValidatingAdmissionPolicyBinding")
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "pictures"
    }
    assert policy["spec"]["failurePolicy"] == "Fail"


def test_without_it_nothing_of_the_whole_cluster_is_rendered(helm: Helm) -> None:
    rendered = helm.render(values=VALUES | {"allowedPools": {}})
    assert rendered.of("ValidatingAdmissionPolicy") == []
    assert rendered.of("ValidatingAdmissionPolicyBinding") == []
