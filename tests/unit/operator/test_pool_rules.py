"""What pools may name, and what becomes of one that names something else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from imagerift_core.modes import load_modes
from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.pool_rules import PoolRules
from imagerift_operator.pools import Pools
from imagerift_operator.settings import OperatorSettings
from pydantic import ValidationError

from tests.unit.operator.builders import isolation

RULES = PoolRules(
    images=frozenset({"registry:5000/triton", "docker.io/one:1"}),
    claims=frozenset({"weights"}),
    priority_classes=frozenset(),
    runtime_classes=frozenset({"nvidia"}),
    endpoint_hosts=frozenset({"triton.gpu.svc", ".models.example.com"}),
    engine_hosts=frozenset({"sglang.gpu.svc", ".engines.example.com"}),
    secrets=frozenset({"hub"}),
    service_accounts=frozenset({"weights"}),
)
TEMPLATE = {"image": "registry:5000/triton:2.51"}
SECRET_VARIABLE = {
    "name": "PEPPER",
    "valueFrom": {"secretKeyRef": {"name": "imagerift-api", "key": "key-pepper"}},
}


def spec_of(**fields: Any) -> dict[str, Any]:
    return {"modes": ["style"], "slotsPerReplica": 1} | fields


def refusal(**fields: Any) -> str | None:
    return RULES.refusal(TritonPoolSpec.model_validate(spec_of(**fields)))


@pytest.mark.parametrize(
    "image",
    [
        "registry:5000/triton",
        "registry:5000/triton:2.51",
        "registry:5000/triton@sha256:" + "0" * 64,
        "registry:5000/triton:2.51@sha256:" + "0" * 64,
        "docker.io/one:1",
    ],
)
def test_an_image_may_be_any_of_an_allowed_repository_or_the_allowed_one(image: str) -> None:
    assert refusal(template={"image": image}) is None


@pytest.mark.parametrize(
    "image",
    [
        "registry:5000/triton-evil:2.51",
        "registry:5000/triton/evil",
        "registry:5001/triton:2.51",
        "evil/registry:5000/triton",
        "docker.io/one:2",
        "docker.io/one",
        "triton",
    ],
)
def test_no_other_image_may(image: str) -> None:
    words = refusal(template={"image": image})
    assert words is not None
    assert words.startswith(f"spec.template.image: '{image}' is not among")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (
            {"modelVolume": {"claimName": "data-mongodb-0", "mountPath": "/models"}},
            "template.modelVolume.claimName",
        ),
        ({"priorityClassName": "system-node-critical"}, "template.priorityClassName"),
        ({"runtimeClassName": "runc"}, "template.runtimeClassName"),
        ({"serviceAccountName": "imagerift-operator"}, "template.serviceAccountName"),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
            "template.volumes",
        ),
        (
            {"volumes": [{"name": "v", "image": {"reference": "evil"}}]},
            "template.initContainers and volumes",
        ),
        (
            {"initContainers": [{"name": "c", "image": "evil"}]},
            "template.initContainers and volumes",
        ),
        (
            {"volumes": [{"name": "v", "secret": {"secretName": "imagerift-api"}}]},
            "template.env, envFrom and volumes",
        ),
        ({"env": [SECRET_VARIABLE]}, "template.env, envFrom and volumes"),
        (
            {"envFrom": [{"secretRef": {"name": "imagerift-api"}}]},
            "template.env, envFrom and volumes",
        ),
        (
            {
                "initContainers": [
                    {"name": "c", "image": "docker.io/one:1", "env": [SECRET_VARIABLE]}
                ]
            },
            "template.env, envFrom and volumes",
        ),
        (
            {
                "initContainers": [
                    {
                        **{"name": "c", "image": "docker.io/one:1"},
                        "envFrom": [{"secretRef": {"name": "imagerift-api"}}],
                    }
                ]
            },
            "template.env, envFrom and volumes",
        ),
    ],
)
def test_a_template_names_no_disk_and_no_class_that_is_not_allowed(
    more: dict[str, Any], field: str
) -> None:
    words = refusal(template=TEMPLATE | more)
    assert words is not None
    assert words.startswith(f"spec.{field}: ")


def test_a_template_may_name_what_is_allowed() -> None:
    volume = {"claimName": "weights", "mountPath": "/models"}
    more = {
        "runtimeClassName": "nvidia",
        "serviceAccountName": "weights",
        "envFrom": [{"secretRef": {"name": "hub"}}, {"configMapRef": {"name": "any"}}],
        "volumes": [
            {"name": "a", "persistentVolumeClaim": {"claimName": "weights"}},
            {"name": "b", "image": {"reference": "registry:5000/triton:1"}},
        ],
        "initContainers": [{"name": "c", "image": "docker.io/one:1"}],
    }
    assert refusal(template=TEMPLATE | {"modelVolume": volume} | more) is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "hostPath"),
        ({"volumes": [{"name": "v", "csi": {"driver": "x"}}]}, "csi"),
        ({"volumes": [{"name": "v"}]}, "exactly one of emptyDir"),
        ({"volumes": [{"name": "tmp", "emptyDir": {}}]}, "the operator's own"),
        ({"hostNetwork": True}, "hostNetwork"),
        ({"hostPID": True}, "hostPID"),
        ({"securityContext": {"privileged": True}}, "securityContext"),
        ({"automountServiceAccountToken": True}, "automountServiceAccountToken"),
        (
            {"initContainers": [{"name": "c", "image": "i", "securityContext": {}}]},
            "securityContext",
        ),
        ({"podLabels": {"app.kubernetes.io/component": "operator"}}, "the operator's own"),
        ({"podLabels": {"imagerift.dev/pool": "other"}}, "the operator's own"),
        ({"env": [{"name": "A"}]}, "exactly one of value and valueFrom"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_open_the_pod_is_refused_by_its_name(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TritonPoolSpec.model_validate(spec_of(template=TEMPLATE | more))


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("http://triton.gpu.svc:8000", True),
        ("https://TRITON.gpu.svc", True),
        ("http://a.models.example.com", True),
        ("http://models.example.com", False),
        ("http://evilmodels.example.com", False),
        ("http://127.0.0.1:9913", False),
        ("http://triton.gpu.svc.evil.org", False),
    ],
)
def test_an_endpoint_is_on_an_allowed_host(endpoint: str, allowed: bool) -> None:
    assert (refusal(endpoint=endpoint) is None) == allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://sglang.gpu.svc:30000", True),
        ("https://SGLANG.gpu.svc", True),
        ("https://a.engines.example.com", True),
        ("https://engines.example.com", False),
        # Where prompts may go, pictures may not yet.
        ("http://triton.gpu.svc:8000", False),
        ("http://169.254.169.254", False),
    ],
)
def test_an_engine_is_on_a_host_that_engines_may_be_on(origin: str, allowed: bool) -> None:
    words = refusal(template=TEMPLATE | {"engine": {"kind": "openai-images", "origin": origin}})
    assert (words is None) == allowed
    if words is not None:
        assert words.startswith("spec.template.engine.origin: ")


def test_an_engines_secret_is_one_that_pools_may_use() -> None:
    engine = {"kind": "openai-images", "origin": "http://sglang.gpu.svc"}
    assert refusal(template=TEMPLATE | {"engine": engine | {"secret": {"name": "hub"}}}) is None
    words = refusal(template=TEMPLATE | {"engine": engine | {"secret": {"name": "imagerift-api"}}})
    assert words is not None and words.startswith("spec.template.engine.secret.name: ")


def test_without_lists_a_pool_may_name_anything() -> None:
    nothing_set: Any = {}
    assert OperatorSettings.model_construct(**nothing_set).pool_rules() == PoolRules()
    spec = TritonPoolSpec.model_validate(spec_of(endpoint="http://anywhere:1"))
    assert PoolRules().refusal(spec) is None


async def test_a_pool_that_names_something_else_is_not_served_and_says_why() -> None:
    reported: list[Any] = []

    class Reporter:
        async def report(self, status: Any, _seen: Any, conditions: Any) -> None:
            reported.append((status.name, conditions[0]["reason"], conditions[0]["message"]))

    pools = Pools(
        Reporter(),  # type: ignore[arg-type]
        load_modes(),
        changed=asyncio.Event(),
        isolated=isolation("pools"),
        rules=RULES,
    )

    def body(endpoint: str) -> dict[str, Any]:
        return {"metadata": {"name": "p", "uid": "u"}, "spec": spec_of(endpoint=endpoint)}

    await pools.observe(body("http://triton.gpu.svc:8000"))
    assert [pool.name for pool in pools] == ["p"]
    await pools.observe(body("http://127.0.0.1:9913"))
    assert list(pools) == []
    await pools.probe()
    ((name, reason, message),) = reported
    assert (name, reason) == ("p", "NotAllowed")
    assert message.startswith("spec.endpoint: '127.0.0.1' is not among")
    await pools.close()
