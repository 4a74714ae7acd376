"""A real API server takes the definitions, fills in what is left out and refuses what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_core.kube import Kube
from imagerift_core.resources import GenerationJobSpec
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from tests.contract.kube.bodies import SPEC, job, new_name


def test_all_definitions_are_established_and_structural(definitions: list[Any]) -> None:
    for definition in definitions:
        conditions = {c.type: c.status for c in definition.status.conditions}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        assert conditions.get("NonStructuralSchema", "False") == "False"


async def test_what_is_left_out_is_filled_in_as_the_model_does(kube: Kube) -> None:
    created = await kube.create_job(job())
    assert created is not None
    spec = created["spec"]
    assert spec["exportSize"] == "base"
    assert spec["cancel"] is False
    assert spec["ttlSecondsAfterFinished"] == 300
    assert GenerationJobSpec.model_validate(spec) == GenerationJobSpec.model_validate(SPEC)


async def test_fields_of_nobody_are_dropped(kube: Kube) -> None:
    created = await kube.create_job(job(colour="red"))
    assert created is not None
    assert "colour" not in created["spec"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "Style"),
        ("mode", "x" * 33),
        ("mode", None),
        ("preset", "a b"),
        ("prompt", "x" * 2001),
        ("prompt", 7),
        ("exportSize", "8k"),
        ("outputAspect", "5:4"),
        ("outputFormat", "gif"),
        ("onUnclearSubject", "guess"),
        ("mask", {"key": ""}),
        ("variations", 0),
        ("variations", 9),
        ("variations", "2"),
        ("variations", 1.5),
        ("seed", -1),
        ("seed", 2**32),
        ("workspace", "acme"),
        ("workspace", "ws_" + "x" * 62),
        ("source", {}),
        ("source", {"key": ""}),
        ("source", {"key": "k" * 1025}),
        ("execution", "Somewhere"),
        ("activeDeadlineSeconds", 9),
        ("activeDeadlineSeconds", 86401),
        ("backoffLimit", -1),
        ("backoffLimit", 11),
        ("ttlSecondsAfterFinished", -1),
        ("ttlSecondsAfterFinished", 604801),
        ("cancel", "yes"),
    ],
)
async def test_what_is_out_of_bounds_is_refused(kube: Kube, field: str, value: object) -> None:
    fields: dict[str, Any] = {field: value}
    body = job(**fields)
    with pytest.raises(ApiException) as refusal:
        await kube.create_job(body)
    assert refusal.value.status == 422
    assert f"spec.{field}" in str(refusal.value.body)
    assert await kube.get_job(body["metadata"]["name"]) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "é" * 2000, "seed": 2**32 - 1, "variations": 8},
        {"activeDeadlineSeconds": 86400, "backoffLimit": 10, "ttlSecondsAfterFinished": 604800},
        {"activeDeadlineSeconds": 10, "backoffLimit": 0, "ttlSecondsAfterFinished": 0},
        {"preset": "golden_hour", "outputAspect": "16:9", "outputFormat": "webp"},
        {"onUnclearSubject": "fail", "mask": {"key": "img_x"}},
    ],
    ids=str,
)
async def test_the_bounds_themselves_are_taken(kube: Kube, fields: dict[str, Any]) -> None:
    created = await kube.create_job(job(**fields))
    assert created is not None
    assert created["spec"].items() >= fields.items()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "triton:8000"),
        ("endpoint", "http://triton:8000/v2"),
        ("slotsPerReplica", 0),
        ("slotsPerReplica", 65),
        ("modes", []),
        ("modes", ["Style"]),
    ],
)
async def test_a_wrong_pool_is_refused(
    administrator: client.ApiClient, namespace: str, field: str, value: object
) -> None:
    spec = {"endpoint": "http://10.0.0.7:8000", "slotsPerReplica": 2, "modes": ["style"]}
    pools = client.CustomObjectsApi(administrator)
    body = {
        "apiVersion": "imagerift.dev/v1",
        "kind": "TritonPool",
        "metadata": {"name": new_name()},
        "spec": spec,
    }
    await pools.create_namespaced_custom_object(
        "imagerift.dev", "v1", namespace, "tritonpools", body
    )
    wrong = body | {"metadata": {"name": new_name()}, "spec": spec | {field: value}}
    with pytest.raises(ApiException) as refusal:
        await pools.create_namespaced_custom_object(
            "imagerift.dev", "v1", namespace, "tritonpools", wrong
        )
    assert refusal.value.status == 422
