"""Which base64 is taken."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagerift_api.jobs import base64_text
from imagerift_api.jobs.base64_text import decode_base64
from imagerift_core.errors import InvalidRequest, PayloadTooLarge
from imagerift_core.images import MAX_IMAGE_BYTES

MIXED = "+_+_"


def decoded(text: str) -> bytes:
    return decode_base64(text, param="imageBase64")


@given(st.binary(min_size=1, max_size=200))
def test_every_form_gives_back_the_bytes(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    safe = base64.urlsafe_b64encode(data).decode()
    wrapped = base64.encodebytes(data).decode()
    forms = [text, safe, text.rstrip("="), safe.rstrip("="), f" {text}\n", wrapped]
    forms += [wrapped.replace("\n", "\r\n"), wrapped.replace("\n", "\n\t")]

    for form in forms:
        assert decoded(form) == data
        for scheme in ("data:image/png", "DATA:image/png", "Data:Image/PNG;charset=x"):
            assert decoded(f"{scheme};base64,{form}") == data
        assert decoded(f"DATA:image/png;BASE64,{form}") == data


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("A", "cut off"),
        ("AB==CD==", "not valid"),
        ("QU JD", "space"),
        ("@@@@", "not valid"),
        ("\u00e9", "not valid"),
        ("QUJD\u2003QUJD", "not valid"),
        (MIXED, "mixes"),
        ("data:,A", "data URL"),
        ("DATA:image/png,A", "data URL"),
        ("data:image/png;base64,", "empty"),
    ],
)
def test_what_is_not_clear_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as caught:
        decoded(text)

    assert caught.value.param == "imageBase64"


def test_it_is_refused_by_its_length_before_it_is_decoded() -> None:
    with pytest.raises(PayloadTooLarge, match="20 MiB"):
        decoded("@" * (MAX_IMAGE_BYTES // 3 * 4 + 100))


@pytest.mark.parametrize("size", [1, 6, 11, 12, 13, 24, 100])
def test_a_text_that_is_read_in_parts_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(base64_text, "_PART_LETTERS", 8)
    data = bytes(range(size))
    text = base64.b64encode(data).decode()
    assert decoded(text) == data
    for wrong in (f"{text}QUJDQQ==QUJDQUJD", f"{text}QUJD=QUJ", f"{text}QUJDQUJDQ"):
        with pytest.raises(InvalidRequest):
            decoded(wrong)
