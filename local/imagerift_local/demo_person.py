"""The demo person, who signs in at the account page: made once, kept in private files."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from argon2 import PasswordHasher

from imagerift_local.files import write_private

NAME = "demo"
ISSUER = "imagerift-built-in"
_PASSWORD_BYTES = 12


@dataclass(frozen=True, repr=False)
class DemoPerson:
    """A name and password; `repr` hides them so that no log can hold one."""

    name: str
    password: str


def load_demo_person(path: Path) -> DemoPerson | None:
    """The person who was made on the first start, or None."""
    try:
        return DemoPerson(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def ensure_demo_person(path: Path, users_file: Path) -> DemoPerson:
    """The person in `path`, made on the first start; `users_file` is what the API reads.

    The API gets the password's hash alone.
    """
    person = load_demo_person(path)
    if person is None:
        person = DemoPerson(NAME, secrets.token_urlsafe(_PASSWORD_BYTES))
        write_private(path, json.dumps(asdict(person)))
        users_file.unlink(missing_ok=True)
    if not users_file.exists():
        write_private(users_file, json.dumps({person.name: PasswordHasher().hash(person.password)}))
    return person


def describe_demo_person(person: DemoPerson, api_url: str) -> str:
    """Where to sign in, and as whom."""
    return (
        f"\nAccount page: {api_url}/account\n"
        f"  name {person.name}, password {person.password}\n"
        f"For developers: {api_url}/developers\n"
    )
