from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagerift_api.http.cursors import decode_cursor, encode_cursor
from imagerift_core.errors import InvalidRequest

moments = st.datetimes(
    min_value=datetime(2000, 1, 1),
    max_value=datetime(2200, 1, 1),
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


ids = st.uuids().map(str) | st.from_regex(r"[A-Za-z0-9_:-]{1,64}", fullmatch=True)


@given(moments, ids)
def test_a_cursor_comes_back_as_the_place_it_was_made_of(moment: datetime, entry: str) -> None:
    assert decode_cursor(encode_cursor(moment, entry)) == (moment, entry)


@given(moments, st.uuids())
def test_a_cursor_of_a_uuid_fits_into_the_query_of_a_list(moment: datetime, job: object) -> None:
    assert len(encode_cursor(moment, str(job))) <= 64


@given(st.text(max_size=64))
@pytest.mark.slow
def test_any_other_text_is_refused_and_never_crashes(text: str) -> None:
    try:
        moment, job_id = decode_cursor(text)
    except InvalidRequest as error:
        assert error.param == "cursor"
    else:
        assert encode_cursor(moment, job_id) == text


@pytest.mark.parametrize("text", ["", "abc", "/" * 32, "_" * 32])
def test_near_misses_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(text)
