"""The demo person: a password that only its own file knows."""

from __future__ import annotations

import json
from pathlib import Path

from argon2 import PasswordHasher
from imagerift_local.demo import ensure_demo_person


def test_the_api_reads_a_hash_and_the_password_stays_the_same(tmp_path: Path) -> None:
    own, users = tmp_path / "person.json", tmp_path / "users.json"
    person = ensure_demo_person(own, users)
    assert person == ensure_demo_person(own, users)
    hashes = json.loads(users.read_text())
    assert PasswordHasher().verify(hashes[person.name], person.password)
    assert person.password not in users.read_text()
    assert {path.stat().st_mode & 0o777 for path in (own, users)} == {0o600}


def test_a_damaged_file_means_a_new_person(tmp_path: Path) -> None:
    own, users = tmp_path / "person.json", tmp_path / "users.json"
    first = ensure_demo_person(own, users)
    own.write_text("{")
    second = ensure_demo_person(own, users)
    assert second.password != first.password
    hashes = json.loads(users.read_text())
    assert PasswordHasher().verify(hashes[second.name], second.password)
