"""The resources' definitions are structural and current, and what is built from a record fits."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_core import crds
from imagerift_core.generation import GenerationSpec
from imagerift_core.job_pods import JobPods
from imagerift_core.resources import (
    GenerationJobSpec,
    GenerationJobStatus,
    TritonPoolSpec,
    build_generation_job,
)
from imagerift_core.tenant_definitions import (
    api_key_definition,
    mode_definition,
    plan_definition,
    webhook_endpoint_definition,
    workspace_definition,
)
from pydantic import ValidationError

from tests.support.job_records import make_record
from tests.unit.core.structural import faults, nodes

FOLDER = Path(__file__).parents[3] / "crds"
PERMITTED = {
    "type",
    "description",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "required",
    "default",
    "format",
    "properties",
    "items",
    "additionalProperties",
    "x-kubernetes-preserve-unknown-fields",
    "oneOf",
    "anyOf",
    "x-kubernetes-int-or-string",
    "x-kubernetes-validations",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
}


def schema_of(definition: dict[str, Any]) -> dict[str, Any]:
    (version,) = definition["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


JOB_SCHEMA = schema_of(crds.generation_job_definition())
POOL_SCHEMA = schema_of(crds.triton_pool_definition())
SCHEMAS = {
    "job": JOB_SCHEMA,
    "pool": POOL_SCHEMA,
    "workspace": schema_of(workspace_definition()),
    "key": schema_of(api_key_definition()),
    "webhook": schema_of(webhook_endpoint_definition()),
    "plan": schema_of(plan_definition()),
    "mode": schema_of(mode_definition()),
}


def test_the_files_are_what_the_models_say() -> None:
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == crds.manifests()


def test_writing_them_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["crds", str(tmp_path)])
    crds.main()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == crds.manifests()


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_schema_is_structural(schema: dict[str, Any]) -> None:
    for path, node in nodes(schema):
        assert set(node) <= PERMITTED, path
        if node.get("x-kubernetes-int-or-string"):
            # The one form in which a structural schema may leave the type open.
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
            assert "type" not in node, path
        else:
            assert "type" in node and "anyOf" not in node, path
        if node.get("type") == "array":
            assert "items" in node, path
        if "default" in node:
            assert list(faults(node, node["default"])) == [], path
        assert set(node.get("required", [])) <= set(node.get("properties", {})), path


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_kubectl_explain_has_a_text_for_every_field(schema: dict[str, Any]) -> None:
    bare = [
        path or "the kind itself"
        for path, node in nodes(schema)
        # The items of a list are shown under the list's own name; of the metadata the server
        # writes the text itself.
        if not path.endswith(("[]", "{}", ".metadata"))
        and len(node.get("description", "").split()) < 2
    ]
    assert bare == []


def test_definitions_name_themselves_as_people_type_them() -> None:
    for text, names in zip(
        crds.manifests().values(),
        [
            ("generationjobs", "GenerationJob", "gj"),
            ("tritonpools", "TritonPool", "tp"),
            ("modelweights", "ModelWeights", "mw"),
            ("workspaces", "Workspace", "iws"),
            ("apikeys", "ApiKey", "iak"),
            ("webhookendpoints", "WebhookEndpoint", "iwh"),
            ("plans", "Plan", "ipl"),
            ("modes", "Mode", "imo"),
        ],
        strict=True,
    ):
        definition = yaml.safe_load(text)
        plural, kind, short = names
        assert definition["metadata"]["name"] == f"{plural}.imagerift.dev"
        stated = definition["spec"]["names"]
        assert (stated["plural"], stated["kind"], stated["shortNames"]) == (plural, kind, [short])
        assert stated["categories"] == ["imagerift"]
        (version,) = definition["spec"]["versions"]
        assert version["subresources"]["status"] == {}


def test_columns_are_the_ones_promised() -> None:
    (version,) = crds.generation_job_definition()["spec"]["versions"]
    columns = version["additionalPrinterColumns"]
    always = [column["name"] for column in columns if not column.get("priority")]
    wide = [column["name"] for column in columns if column.get("priority")]
    assert always == ["Phase", "Mode", "Size", "Workspace", "Age"]
    assert wide == ["Pool", "Attempts", "Duration", "Reason"]
    known = {path.removeprefix(".") for path, _ in nodes(JOB_SCHEMA)}
    for column in columns:
        path = column["jsonPath"].removeprefix(".")
        assert path in known or path == "metadata.creationTimestamp"


def test_every_default_of_the_model_is_the_servers_too() -> None:
    """What a server fills in and what the model reads from a bare spec are the same."""
    bare = {"mode": "style", "workspace": "ws_a", "source": {"key": "k"}}
    spec_schema = JOB_SCHEMA["properties"]["spec"]
    filled = bare | {
        name: field["default"]
        for name, field in spec_schema["properties"].items()
        if "default" in field
    }
    assert GenerationJobSpec.model_validate(filled) == GenerationJobSpec.model_validate(bare)


def test_every_field_but_cancel_is_immutable() -> None:
    rules = JOB_SCHEMA["properties"]["spec"]["x-kubernetes-validations"]
    text = " ".join(rule["rule"] for rule in rules)
    for name in JOB_SCHEMA["properties"]["spec"]["properties"]:
        assert f"self.{name}" in text
        if name != "cancel":
            assert f"self.{name} == oldSelf.{name}" in text


GOOD_SPEC: dict[str, Any] = {
    "mode": "style",
    "workspace": "ws_a",
    "source": {"key": "k"},
    "prompt": "rain",
}
BAD_SPECS: list[dict[str, Any]] = [
    {"mode": "Style"},
    {"mode": "x" * 33},
    {"preset": "a b"},
    {"prompt": "x" * 2001},
    {"exportSize": "8k"},
    {"outputAspect": "5:4"},
    {"outputFormat": "gif"},
    {"onUnclearSubject": "guess"},
    {"references": []},
    {"references": [{"key": "k"}] * 4},
    {"negativePrompt": "x" * 2001},
    {"keepSubject": "maybe"},
    {"mask": {}},
    {"mask": {"key": ""}},
    {"variations": 0},
    {"variations": 9},
    {"seed": 2**32},
    {"seed": -1},
    {"workspace": "acme"},
    {"workspace": "ws_../x"},
    {"source": {}},
    {"source": {"key": ""}},
    {"source": {"key": "k" * 1025}},
    {"source": {"key": "k", "url": "x"}},
    {"execution": "Somewhere"},
    {"activeDeadlineSeconds": 9},
    {"activeDeadlineSeconds": 86401},
    {"backoffLimit": 11},
    {"ttlSecondsAfterFinished": -1},
    {"ttlSecondsAfterFinished": 604801},
    {"colour": "red"},
]


@pytest.mark.parametrize("bad", BAD_SPECS, ids=str)
def test_the_model_and_the_schema_refuse_the_same(bad: dict[str, Any]) -> None:
    schema = JOB_SCHEMA["properties"]["spec"]
    assert list(faults(schema, GOOD_SPEC)) == []
    assert list(faults(schema, GOOD_SPEC | bad)) != []
    GenerationJobSpec.model_validate(GOOD_SPEC)
    with pytest.raises(ValidationError):
        GenerationJobSpec.model_validate(GOOD_SPEC | bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"endpoint": "triton:8000"},
        {"endpoint": "ftp://triton"},
        {"endpoint": "http://triton:8000/v2"},
        {"slotsPerReplica": 0},
        {"slotsPerReplica": 65},
        {"modes": []},
        {"modes": ["Style"]},
    ],
    ids=str,
)
def test_a_wrong_pool_is_refused(bad: dict[str, Any]) -> None:
    good = {"endpoint": "http://10.0.0.7:8000", "slotsPerReplica": 2, "modes": ["style"]}
    schema = POOL_SCHEMA["properties"]["spec"]
    assert list(faults(schema, good)) == []
    assert list(faults(schema, good | bad)) != []
    TritonPoolSpec.model_validate(good)
    with pytest.raises(ValidationError):
        TritonPoolSpec.model_validate(good | bad)


def test_a_wish_survives_the_way_through_a_resource() -> None:
    record = make_record(units=3)
    spec = GenerationJobSpec.model_validate(build_generation_job(record)["spec"])
    assert spec.generation_spec() == record.spec
    assert spec.source.key == record.source.key
    assert spec.cancel is False


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"spec": GenerationSpec(mode="avatar", preset="anime", seed=2**32 - 1, variations=8)},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        {"backoff_limit": 0},
    ],
    ids=["plain", "every bound", "traced", "no retries"],
)
def test_what_is_built_from_a_record_fits_the_schema(fields: dict[str, Any]) -> None:
    record = make_record(**fields)
    body = build_generation_job(record, ttl_seconds=60)
    assert list(faults(JOB_SCHEMA, body)) == []
    assert body["metadata"]["name"] == record.id
    assert body["metadata"]["namespace"] == record.namespace
    assert body["metadata"]["labels"] == {
        "imagerift.dev/origin": "api",
        "imagerift.dev/workspace": record.workspace,
    }
    annotations = body["metadata"].get("annotations")
    assert annotations == (
        {"imagerift.dev/traceparent": record.traceparent} if record.traceparent else None
    )
    assert body["spec"]["ttlSecondsAfterFinished"] == 60
    assert body["spec"]["backoffLimit"] == record.backoff_limit


@pytest.mark.parametrize(("seconds", "stated"), [(3.2, 10), (10, 10), (99.6, 100), (3600, 3600)])
def test_the_deadline_is_counted_from_acceptance(seconds: float, stated: int) -> None:
    record = make_record()
    record = record.model_copy(
        update={"deadline_at": record.created_at + timedelta(seconds=seconds)}
    )
    body = build_generation_job(record)
    assert body["spec"]["activeDeadlineSeconds"] == stated
    assert list(faults(JOB_SCHEMA, body)) == []


def test_a_resource_holds_no_secret_and_no_address() -> None:
    record = make_record(key_id="key_secret", metadata={"customer": "secret"})
    text = json.dumps(build_generation_job(record)).lower()
    for forbidden in ("http", "://", "secret", "x-amz", "signature", "token", "key_id"):
        assert forbidden not in text


def test_the_status_model_writes_what_the_schema_takes() -> None:
    status = GenerationJobStatus.model_validate(
        {
            "phase": "Succeeded",
            "conditions": [
                {
                    "type": "Complete",
                    "status": "True",
                    "reason": "Delivered",
                    "message": "m",
                    "lastTransitionTime": "2026-11-22T12:00:00Z",
                }
            ],
            "outputs": [
                {"key": "k", "width": 1, "height": 1, "bytes": 1, "sha256": "0", "seed": 1}
            ],
        }
    )
    written = status.model_dump(by_alias=True, exclude_none=True)
    assert list(faults(JOB_SCHEMA["properties"]["status"], written)) == []


TEMPLATE: dict[str, Any] = {"image": "registry.example/triton:1"}


def templated(**more: Any) -> dict[str, Any]:
    return {"modes": ["style"], "template": TEMPLATE | more}


def quantity_places(amount: Any) -> list[dict[str, Any]]:
    return [
        templated(resources={"requests": {"cpu": amount}}),
        templated(resources={"limits": {"memory": amount}}),
        templated(sharedMemory=amount),
        templated(temporaryStorage=amount),
    ]


@pytest.mark.parametrize(
    "amount",
    [1, 0, "1", "500m", "0.5", ".5", "1.", "8Gi", "1e9", "1E3", "5e-1", "100E", "2Ei", "7u"],
)
def test_an_amount_is_taken_as_kubernetes_takes_it(amount: Any) -> None:
    for spec in quantity_places(amount):
        assert list(faults(POOL_SCHEMA["properties"]["spec"], spec)) == []
        TritonPoolSpec.model_validate(spec)


@pytest.mark.parametrize(
    "amount", [-1, "-1", "", "lots", "1 Gi", "1gi", "1e", "1KB", 1.5, True, "."]
)
def test_what_is_no_amount_is_refused_by_schema_and_model(amount: Any) -> None:
    for spec in quantity_places(amount):
        assert list(faults(POOL_SCHEMA["properties"]["spec"], spec)) != []
        with pytest.raises(ValidationError):
            TritonPoolSpec.model_validate(spec)


def test_an_integer_amount_reaches_the_servers_as_text() -> None:
    spec = TritonPoolSpec.model_validate(templated(resources={"limits": {"cpu": 4}}))
    assert spec.template is not None
    assert spec.template.resources.limits == {"cpu": "4"}


TWICE = [{"name": "IMAGERIFT_THREADS", "value": "1"}, {"name": "IMAGERIFT_THREADS", "value": "4"}]


def test_a_variable_that_is_given_twice_is_refused_by_schema_and_model() -> None:
    spec = templated(env=TWICE)
    (fault,) = faults(POOL_SCHEMA["properties"]["spec"], spec)
    assert "IMAGERIFT_THREADS" in fault
    with pytest.raises(ValidationError, match="IMAGERIFT_THREADS is given twice"):
        TritonPoolSpec.model_validate(spec)
    with pytest.raises(ValidationError, match="IMAGERIFT_THREADS is given twice"):
        JobPods.model_validate({"namespace": "runners", "image": "runner:1", "env": TWICE})


def test_no_gpu_is_booked_that_nobody_asked_for() -> None:
    """The images that are shipped hold no code that uses one."""
    template = POOL_SCHEMA["properties"]["spec"]["properties"]["template"]
    assert template["properties"]["gpus"]["default"] == 0
    assert JobPods.model_validate({"namespace": "runners", "image": "runner:1"}).gpus == 0
