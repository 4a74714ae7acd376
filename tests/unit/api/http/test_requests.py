from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from imagerift_api.app import build_application
from imagerift_api.batches.schemas import BatchBody
from imagerift_api.http import requests
from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.idempotency import IdempotencyHeaders, request_key
from imagerift_api.http.operations import OPERATIONS
from imagerift_api.http.requests import parse_body, parse_headers, parse_query
from imagerift_api.jobs.schemas import GenerateBody, ListQuery
from imagerift_api.metrics import Metrics
from imagerift_api.settings import ApiSettings
from imagerift_core.errors import InvalidRequest
from multidict import MultiDict
from pydantic import ValidationError


def all_bodies() -> list[type[RequestBody]]:
    metrics = Metrics()
    settings = ApiSettings.model_construct()
    operations = build_application(settings, metrics)[OPERATIONS]
    metrics.close()
    found = {operation.body for operation in operations if operation.body is not None}
    bodies = [body for body in found if issubclass(body, RequestBody)]
    assert len(bodies) == len(found)
    return sorted(bodies, key=lambda body: body.__name__)


GOOD: dict[str, Any] = {"mode": "style", "imageBase64": "QUJD", "prompt": "p"}


def faults_of(content: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        parse_body(GenerateBody, content)
    return {fault["param"]: fault["message"] for fault in caught.value.errors}


def test_the_defaults_are_the_published_ones() -> None:
    spec = parse_body(GenerateBody, GOOD).spec()

    assert (spec.export_size, spec.output_aspect, spec.output_format) == ("base", "source", "png")
    assert (spec.variations, spec.preset) == (1, None)


def test_an_absent_seed_is_random() -> None:
    body = parse_body(GenerateBody, GOOD)

    assert len({body.spec().seed for _ in range(5)}) > 1
    assert parse_body(GenerateBody, GOOD | {"seed": 0}).spec().seed == 0


def test_the_limit_is_named() -> None:
    found = faults_of(GOOD | {"prompt": "x" * 2001, "variations": 9, "exportSize": "8k"})

    assert "2000" in found["prompt"]
    assert "8" in found["variations"]
    assert "'4k'" in found["exportSize"]


def test_two_sources_are_both_named() -> None:
    assert set(faults_of(GOOD | {"imageKey": "k"})) == {"imageBase64", "imageKey"}


def test_whether_a_source_is_missing_its_mode_says() -> None:
    assert set(faults_of({"mode": "style", "seed": "1"})) == {"seed"}


@pytest.mark.parametrize("content", [None, [], "text", 5, True])
def test_only_an_object_is_a_body(content: Any) -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        parse_body(GenerateBody, content)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    body = parse_body(GenerateBody, GOOD | {"variations": 2.0, "seed": 7.0})

    assert (body.variations, body.spec().seed) == (2, 7)
    assert "variations" in faults_of(GOOD | {"variations": 2.5})
    assert "variations" in faults_of(GOOD | {"variations": True})
    assert "seed" in faults_of(GOOD | {"seed": float("inf")})


def test_a_name_that_the_store_cannot_hold_is_refused() -> None:
    assert "metadata.a\x00b" in faults_of(GOOD | {"metadata": {"a\x00b": "x"}})


def test_python_names_of_fields_are_no_fields() -> None:
    assert "export_size" in faults_of(GOOD | {"export_size": "base"})


def test_no_message_quotes_what_was_sent() -> None:
    found = faults_of(GOOD | {"prompt": ["a private wish"], "metadata": {"k": 5}})

    assert "a private wish" not in str(found)


def test_statuses_come_several_times_or_with_commas() -> None:
    query = MultiDict([("status", "queued,failed"), ("status", "canceled")])

    assert parse_query(ListQuery, query).status == ["queued", "failed", "canceled"]


def test_null_stands_for_absent_in_every_field_that_may_be_absent() -> None:
    optional = {
        field.alias: None
        for field in GenerateBody.model_fields.values()
        if not field.is_required() and field.alias not in GOOD
    }
    sparse = parse_body(GenerateBody, GOOD)

    body = parse_body(GenerateBody, {**GOOD, **optional, "metadata": {"sku": None}})

    assert len(optional) >= 10
    assert body == sparse
    assert body.metadata == {}
    assert "mode" in faults_of(GOOD | {"mode": None})


@pytest.mark.parametrize("model", all_bodies(), ids=lambda model: model.__name__)
def test_every_body_takes_null_for_absent_and_its_schema_says_so(model: type[RequestBody]) -> None:
    schema = model.model_json_schema(by_alias=True)
    shown = schema if "properties" in schema else schema["$defs"][model.__name__]

    for name, field in model.model_fields.items():
        choices = shown["properties"][field.alias or name].get("anyOf", [])
        assert ({"type": "null"} in choices) is not field.is_required(), name
        with pytest.raises(ValidationError) as caught:
            model.model_validate({field.alias or name: None, "no such field": 1})
        faults = {
            fault["param"]: fault["message"] for fault in requests.faults_of(caught.value, "field")
        }
        known = faults.get(field.alias or name)
        assert known == ("This field is required." if field.is_required() else None)


@pytest.mark.parametrize("model", all_bodies(), ids=lambda model: model.__name__)
@pytest.mark.parametrize("name", ["", "no such field"])
def test_an_unknown_field_is_refused_though_it_is_null(model: type[RequestBody], name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({name: None})
    assert name in {fault["param"] for fault in requests.faults_of(caught.value, "field")}


def test_a_plus_sign_that_was_not_escaped_is_still_an_offset() -> None:
    for text in (
        "2026-11-22T12:00:00 02:00",
        "2026-11-22 12:00:00.5 02:00",
        "2026-11-22T12:00 02:00",
    ):
        (moment,) = [parse_query(ListQuery, MultiDict(createdAfter=text)).created_after]
        assert moment is not None
        assert moment.utcoffset() == timedelta(hours=2)


def test_ids_may_be_in_upper_case() -> None:
    upper = "9C2D1E1A-4B6E-4A7D-8D0A-2D5A0E7F0C11"

    body = parse_body(GenerateBody, {"mode": "style", "prompt": "p", "sourceGenerationId": upper})

    assert body.source_generation_id == upper.lower()


async def test_a_request_is_the_same_however_it_is_written() -> None:
    careless = {"metadata": {"b": "2", "a": "1", "c": None}, "seed": 5.0, "preset": None} | GOOD
    careful = GOOD | {"seed": 5, "metadata": {"a": "1", "b": "2"}}

    assert await fingerprint(careless) == await fingerprint(careful)
    assert await fingerprint(careless) != await fingerprint(careful | {"seed": 6})


async def fingerprint(content: dict[str, Any]) -> str:
    key = await request_key(
        parse_headers(IdempotencyHeaders, MultiDict({"Idempotency-Key": "k"})),
        workspace="ws_1",
        operation="generate",
        body=parse_body(GenerateBody, content),
    )
    assert key is not None
    return key.fingerprint


@pytest.mark.parametrize("name", ["exportSize", "outputAspect", "outputFormat"])
def test_outputs_stand_in_place_of_the_one_shape(name: str) -> None:
    # Also where it says what would be without it.
    one = {"exportSize": "base", "outputAspect": "source", "outputFormat": "png"}[name]
    assert set(faults_of(GOOD | {"outputs": [{}], name: one})) == {name}
    # Null is absent.
    assert parse_body(GenerateBody, GOOD | {"outputs": [{}], name: None}).outputs is not None
    assert parse_body(GenerateBody, GOOD | {"outputs": None, name: one}).outputs is None


@pytest.mark.parametrize(
    ("outputs", "param"),
    [
        ([], "outputs"),
        ([{"aspect": "1:1"}] * 2, "outputs"),
        ([{}, {"aspect": "source", "size": "base"}], "outputs"),
        ([{"size": size} for size in ("base", "2k", "4k")] * 3, "outputs"),
        ([{}, {"size": "8k"}], "outputs.1.size"),
        ([{}, {"sizes": "2k"}], "outputs.1.sizes"),
        (["1:1"], "outputs.0"),
        ({"aspect": "1:1"}, "outputs"),
    ],
)
def test_wrong_outputs_are_named(outputs: Any, param: str) -> None:
    assert set(faults_of(GOOD | {"outputs": outputs})) == {param}


async def test_a_request_with_other_outputs_is_another_request() -> None:
    async def fingerprint(content: dict[str, Any]) -> str:
        headers = IdempotencyHeaders.model_validate({"Idempotency-Key": ["k"]})
        body = parse_body(GenerateBody, GOOD | content)
        key = await request_key(headers, workspace="ws_a", operation="generate", body=body)
        assert key is not None
        return key.fingerprint

    plain, null = await fingerprint({}), await fingerprint({"outputs": None})
    one, other = [await fingerprint({"outputs": [{"aspect": a}]}) for a in ("1:1", "4:5")]
    assert plain == null
    assert len({plain, one, other}) == 3


def test_in_a_batch_the_job_is_named_that_says_its_shape_twice() -> None:
    job = {"mode": "style", "prompt": "p", "imageKey": "k"}
    twice = job | {"outputs": [{}], "outputAspect": "1:1"}
    with pytest.raises(InvalidRequest) as caught:
        parse_body(BatchBody, {"jobs": [job, twice]})
    assert [fault["param"] for fault in caught.value.errors] == ["jobs.1.outputAspect"]
