"""Secrets and private files: made once, and nobody else may read them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from imagerift_local.demo import write_sign_in_users
from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.secrets import load_secrets


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_generated_once(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    assert load_secrets(path) == load_secrets(path)


def test_secrets_of_two_folders_differ(tmp_path: Path) -> None:
    first, second = load_secrets(tmp_path / "a.json"), load_secrets(tmp_path / "b.json")
    assert first.key_pepper != second.key_pepper
    assert first.s3_secret_key != second.s3_secret_key


def test_the_key_pepper_has_at_least_32_bytes(tmp_path: Path) -> None:
    assert len(bytes.fromhex(load_secrets(tmp_path / "s.json").key_pepper)) >= 32


def test_a_folder_of_an_earlier_version_gets_the_secrets_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    known = {"key_pepper": "p", "jwt_key": "j", "s3_access_key": "a", "s3_secret_key": "s"}
    write_private(path, json.dumps(known))
    first = load_secrets(path)
    assert load_secrets(path) == first
    assert json.loads(path.read_text()).items() > known.items()
    added = (first.mongod_key, first.mongo_password, first.s3_administrator_key)
    assert [len(bytes.fromhex(secret)) for secret in added] == [32, 32, 32]
    assert len(first.demo_password) == 16


def test_the_api_knows_the_demo_person_by_a_hash_alone(tmp_path: Path) -> None:
    users, password = tmp_path / "users.json", load_secrets(tmp_path / "s.json").demo_password
    write_sign_in_users(users, password)
    assert password not in users.read_text()
    assert PasswordHasher().verify(json.loads(users.read_text())["demo"], password)
    assert mode(users) == 0o600


def test_the_secrets_file_has_mode_0600(tmp_path: Path) -> None:
    load_secrets(tmp_path / "secrets.json")
    assert mode(tmp_path / "secrets.json") == 0o600


def test_a_secrets_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    load_secrets(path)
    path.chmod(0o644)
    with pytest.raises(PlatformError, match="read by others"):
        load_secrets(path)


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"key_pepper": "x"})])
def test_a_damaged_secrets_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    write_private(path, content)
    with pytest.raises(PlatformError, match="damaged"):
        load_secrets(path)


def test_secrets_do_not_show_in_a_representation(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path / "secrets.json")
    assert secrets.key_pepper not in repr(secrets)


def test_a_private_file_is_replaced_whole_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]
