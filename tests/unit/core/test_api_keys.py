"""A key says by itself whether it was mistyped, and only its keyed hash need be kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagerift_core.api_keys import (
    ALL_SCOPES,
    CHECKSUM_LENGTH,
    hash_token,
    key_id_of,
    new_administrator_token,
    new_api_key,
    new_token_of,
    token_matches,
)
from imagerift_core.ids import BASE62, is_job_id, new_job_id, new_request_id, new_workspace_id

KEY = new_api_key()
PEPPER = bytes(range(32))
places = st.integers(0, len(KEY.token) - 1)


def test_a_new_key_names_itself() -> None:
    assert re.fullmatch(r"ir_live_[0-9A-Za-z]{54}", KEY.token)
    assert key_id_of(KEY.token) == KEY.key_id == f"key_{KEY.token[8:24]}"
    assert KEY.token.startswith(KEY.prefix)
    assert KEY.token.endswith(KEY.last_four)
    assert len(KEY.prefix) + len(KEY.last_four) <= 16


def test_an_administrators_token_tells_whose_it_is_and_is_no_keys() -> None:
    made = new_administrator_token()
    assert re.fullmatch(r"ir_admin_[0-9A-Za-z]{54}", made.token)
    assert key_id_of(made.token) == made.key_id == f"adm_{made.token[9:25]}"
    assert key_id_of(made.token.replace("ir_admin_", "ir_live_")) is None
    # An id that nobody gave out is for whoever looks it up to refuse.
    assert new_token_of("nothing").token.startswith("ir_live_nothing")


@given(place=places, character=st.sampled_from(BASE62 + "-_. é０"))
def test_one_wrong_character_is_caught(place: int, character: str) -> None:
    changed = KEY.token[:place] + character + KEY.token[place + 1 :]
    assert (key_id_of(changed) is None) == (changed != KEY.token)
    assert token_matches(changed, PEPPER, hash_token(KEY.token, PEPPER)) == (changed == KEY.token)


@given(place=places)
def test_two_swapped_characters_are_caught(place: int) -> None:
    letters = list(KEY.token)
    other = (place + 1) % len(letters)
    letters[place], letters[other] = letters[other], letters[place]
    changed = "".join(letters)
    assert (key_id_of(changed) is None) == (changed != KEY.token)


@given(text=st.text(max_size=80))
def test_any_text_but_a_key_is_no_key(text: str) -> None:
    assert key_id_of(text) is None
    assert key_id_of("ir_live_" + text) is None
    assert key_id_of(KEY.token + text) == (None if text else KEY.key_id)


@pytest.mark.parametrize("end", ["\n", " ", "\0"])
def test_nothing_may_follow_a_key(end: str) -> None:
    assert key_id_of(KEY.token + end) is None


def test_keys_differ_and_their_checksums_are_right() -> None:
    tokens = {new_api_key().token for _ in range(200)}
    assert len(tokens) == 200
    assert all(key_id_of(token) for token in tokens)
    assert len({token[-CHECKSUM_LENGTH:] for token in tokens}) > 190


@given(pepper=st.binary(min_size=32, max_size=64))
def test_a_hash_depends_on_the_pepper_and_holds_nothing_of_the_token(pepper: bytes) -> None:
    stored = hash_token(KEY.token, pepper)
    assert re.fullmatch(r"[0-9a-f]{64}", stored)
    assert token_matches(KEY.token, pepper, stored)
    assert not token_matches(KEY.token, pepper + b"x", stored)


def test_scopes_are_named_once() -> None:
    assert len(set(ALL_SCOPES)) == len(ALL_SCOPES)


def test_job_ids_are_canonical_uuids() -> None:
    job_id = new_job_id()
    assert is_job_id(job_id)
    for wrong in (job_id.upper(), f"{{{job_id}}}", f"urn:uuid:{job_id}", job_id[:-1], "", "../x"):
        assert not is_job_id(wrong)


def test_other_ids_carry_their_prefix() -> None:
    assert re.fullmatch(r"req_[0-9A-Za-z]{20}", new_request_id())
    assert re.fullmatch(r"ws_[0-9A-Za-z]{20}", new_workspace_id())
