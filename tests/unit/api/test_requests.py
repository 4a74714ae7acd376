from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagerift_api.requests import parse_generate_body, parse_list_query
from imagerift_api.services.sources import decode_base64
from imagerift_core.errors import InvalidRequest, PayloadTooLarge
from imagerift_core.images import MAX_IMAGE_BYTES
from multidict import MultiDict

GOOD: dict[str, Any] = {"mode": "style", "imageBase64": "QUJD", "prompt": "p"}


def faults_of(content: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        parse_generate_body(content)
    return {fault["param"]: fault["message"] for fault in caught.value.errors}


def test_the_defaults_are_the_published_ones() -> None:
    spec = parse_generate_body(GOOD).spec()

    assert (spec.export_size, spec.output_aspect, spec.output_format) == ("base", "source", "png")
    assert (spec.variations, spec.preset) == (1, None)


def test_an_absent_seed_is_random() -> None:
    body = parse_generate_body(GOOD)

    assert len({body.spec().seed for _ in range(5)}) > 1
    assert parse_generate_body(GOOD | {"seed": 0}).spec().seed == 0


def test_the_limit_is_named() -> None:
    found = faults_of(GOOD | {"prompt": "x" * 2001, "variations": 9, "exportSize": "8k"})

    assert "2000" in found["prompt"]
    assert "8" in found["variations"]
    assert "'4k'" in found["exportSize"]


def test_two_sources_are_both_named() -> None:
    assert set(faults_of(GOOD | {"imageKey": "k"})) == {"imageBase64", "imageKey"}


def test_a_missing_source_is_listed_beside_other_faults() -> None:
    assert set(faults_of({"mode": "style", "seed": "1"})) == {"seed", "imageBase64"}


@pytest.mark.parametrize("content", [None, [], "text", 5, True])
def test_only_an_object_is_a_body(content: Any) -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        parse_generate_body(content)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    body = parse_generate_body(GOOD | {"variations": 2.0, "seed": 7.0})

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

    assert parse_list_query(query).status == ["queued", "failed", "canceled"]


@given(st.binary(min_size=1, max_size=200))
def test_base64_gives_back_the_bytes(data: bytes) -> None:
    text = base64.b64encode(data).decode()

    assert decode_base64(text) == data
    assert decode_base64(f"data:image/png;base64,{text}") == data


@pytest.mark.parametrize("text", ["", "A", "AB==CD==", "QUJD\n", "QU JD", "QUJ-", "é", "data:,A"])
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_base64(text)

    assert caught.value.param == "imageBase64"


def test_base64_is_refused_by_its_length_before_it_is_decoded() -> None:
    with pytest.raises(PayloadTooLarge, match="20 MiB"):
        decode_base64("@" * (MAX_IMAGE_BYTES // 3 * 4 + 100))
