"""Whether pods may have the weights that they name, and by which volumes."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.pool_template import PoolTemplate
from imagerift_core.weights_pods import WeightsPods
from imagerift_operator.pod_parts import MountedWeights
from imagerift_operator.pool_objects import deployment
from imagerift_operator.pool_rules import PoolRules
from imagerift_operator.weights import Weights
from imagerift_operator.weights_objects import WeightsObjects
from pydantic import ValidationError

from tests.unit.operator.weights_bodies import IMAGE, SPEC, SUM, body, condition, ready

GIVEN: dict[str, Any] = {
    "source": "pvc://disk/models/sdxl",
    "storage": None,
    "acceptLicence": "MIT",
}
OCI: dict[str, Any] = {**IMAGE, "storage": None}


def mounted(*bodies: dict[str, Any], names: str = "sdxl") -> MountedWeights:
    weights = Weights()
    for each in bodies:
        weights.observe(None, each)
    return weights.mounted(names.split(), execution="Pool")


def test_ready_weights_are_mounted_read_only_by_their_name() -> None:
    held = mounted(body(status=ready()))
    fingerprint = ModelWeightsSpec.model_validate(SPEC).fingerprint
    assert held.trouble is None
    claim = {"claimName": "sdxl-weights", "readOnly": True}
    assert held.volumes == ({"name": "imagerift-weights-0", "persistentVolumeClaim": claim},)
    assert held.mounts == (
        {
            "name": "imagerift-weights-0",
            "mountPath": "/weights/sdxl",
            "readOnly": True,
            "subPath": fingerprint,
        },
    )


def test_a_claim_that_is_given_and_an_image_are_mounted_as_they_are() -> None:
    held = mounted(
        body("a", status=ready(**GIVEN), **GIVEN),
        body("b", status=ready(**OCI), **OCI),
        names="a b",
    )
    assert [volume.get("persistentVolumeClaim") for volume in held.volumes] == [
        {"claimName": "disk", "readOnly": True},
        None,
    ]
    assert held.volumes[1]["image"] == {
        "reference": f"registry/sdxl@sha256:{SUM}",
        "pullPolicy": "IfNotPresent",
    }
    assert [mount.get("subPath") for mount in held.mounts] == ["models/sdxl", None]


@pytest.mark.parametrize(
    ("seen", "words", "coming"),
    [
        ([], "There is no ModelWeights sdxl", False),
        ([body()], "has not looked", True),
        (
            [body(status={"conditions": [condition("Ready", "False", "Downloading", "It runs.")]})],
            "is not Ready: It runs.",
            True,
        ),
        (
            [body(status={"conditions": [condition("Ready", "False", "LicenceNotAccepted")]})],
            "is not Ready: words",
            False,
        ),
        # Other files than those that are there, or another licence.
        ([body(status=ready(), files=["*.json"])], "is not Ready", False),
        ([body(status=ready(), acceptLicence="MIT")], "is not Ready", False),
        ([body(status=ready(execution="Pod"), execution="Pod")], "for execution Pod", False),
    ],
)
def test_weights_that_are_not_ready_are_waited_for(
    seen: list[dict[str, Any]], words: str, *, coming: bool
) -> None:
    held = mounted(*seen)
    assert held.trouble is not None
    assert held.trouble.reason == "WeightsNotReady" and words in held.trouble.words
    assert (held.coming, held.volumes, held.mounts) == (coming, (), ())


def test_one_that_is_not_ready_keeps_all_from_being_mounted() -> None:
    held = mounted(body("a", status=ready()), body("b"), names="a b")
    assert held.trouble is not None and held.volumes == ()


def test_weights_that_are_deleted_are_forgotten_but_not_others_of_their_name() -> None:
    weights = Weights()
    weights.observe(None, body(status=ready()))
    gone = body()
    weights.observe("DELETED", gone | {"metadata": gone["metadata"] | {"uid": "another"}})
    assert weights.mounted(["sdxl"], execution="Pool").trouble is None
    weights.observe("DELETED", gone)
    assert weights.mounted(["sdxl"], execution="Pool").trouble is not None


def test_a_spec_that_old_servers_let_through_is_known_with_its_fault() -> None:
    weights = Weights()
    weights.observe(None, body(storage=None))
    (seen,) = weights
    assert seen.spec is None and seen.fault is not None and "storage" in seen.fault


def test_a_server_has_its_weights_and_its_own_volumes() -> None:
    template = PoolTemplate(image="triton:1", weights=["sdxl"])
    held = mounted(body(status=ready()))
    made = deployment("p", "u", template, replicas=1, s3_origin="http://s3", weights=held)
    pod = made["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == [
        "tmp",
        "shared-memory",
        "imagerift-weights-0",
    ]
    assert pod["containers"][0]["volumeMounts"][-1]["mountPath"] == "/weights/sdxl"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"modelVolume": {"claimName": "c", "mountPath": "/weights"}}, "/weights is taken"),
        (
            {
                "volumes": [{"name": "w", "emptyDir": {}}],
                "volumeMounts": [{"name": "w", "mountPath": "/weights/other"}],
            },
            "/weights/other is taken",
        ),
        ({"volumes": [{"name": "imagerift-weights-0", "emptyDir": {}}]}, "operator's own"),
        ({"weights": ["sdxl", "sdxl"]}, "sdxl is named twice"),
    ],
)
def test_nothing_else_is_where_weights_are(field: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PoolTemplate.model_validate({"image": "triton:1", "weights": ["sdxl"]} | field)


PODS = WeightsPods(image="weights:1")


def objects(name: str = "sdxl", **spec: Any) -> WeightsObjects:
    given = {key: value for key, value in (SPEC | spec).items() if value is not None}
    return WeightsObjects(name, f"uid-{name}", ModelWeightsSpec.model_validate(given))


def test_the_pod_that_downloads_is_as_closed_as_a_server_and_holds_its_secret_as_files() -> None:
    job = objects(secretName="hub").download_job(PODS)
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"name": "secret", "secret": {"secretName": "hub"}} in pod["volumes"]
    # Kubernetes tries nothing again by itself: a wrong checksum would be downloaded for ever.
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert [variable["name"] for variable in container["env"]] == ["IMAGERIFT_WEIGHTS_REQUEST"]


def test_a_claim_that_is_given_is_never_written_to() -> None:
    pod = objects(**GIVEN).download_job(PODS)["spec"]["template"]["spec"]
    claim = {"claimName": "disk", "readOnly": True}
    assert {"name": "weights", "persistentVolumeClaim": claim} in pod["volumes"]


def test_names_fit_kubernetes_and_are_no_others() -> None:
    names = ["sdxl", "a.b", "a-b", "n" * 253, "n" * 252]
    made = [objects(name) for name in names]
    for each in made:
        assert len(each.job_name) <= 63 and "." not in each.job_name
        assert each.selector == f"imagerift.dev/weights-uid=uid-{each.name}"
    assert len({each.job_name for each in made}) == len({each.claim_name for each in made}) == 5
    # In the namespace of job pods there may be another shard's of the same name.
    assert objects(execution="Pod").claim_name != objects().claim_name
    assert "ownerReferences" not in objects(execution="Pod").claim(_storage())["metadata"]
    assert objects().claim(_storage())["metadata"]["ownerReferences"][0]["uid"] == "uid-sdxl"


def test_another_spec_is_another_job() -> None:
    named = {objects(**spec).job_name for spec in ({}, {"files": ["*"]}, {"secretName": "hub"})}
    assert len(named) == 3


def _storage() -> Any:
    return objects().spec.storage


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (GIVEN, "spec.source: 'disk'"),
        (OCI, "spec.source: 'registry/sdxl@"),
        ({"secretName": "imagerift-api"}, "spec.secretName: 'imagerift-api'"),
        ({}, None),
    ],
)
def test_weights_may_name_what_pools_may(spec: dict[str, Any], words: str | None) -> None:
    made = objects(**spec).spec
    none = PoolRules(images=frozenset(), claims=frozenset(), secrets=frozenset())
    refusal = none.refusal_of_weights(made)
    assert refusal is None if words is None else words in (refusal or "")
    assert PoolRules().refusal_of_weights(made) is None
