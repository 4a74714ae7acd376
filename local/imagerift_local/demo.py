"""The demo workspaces and the demo person, who signs in: made once, kept in private files."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.settings import DEFAULT_DATA_DIR

NAME = "demo"
ISSUER = "imagerift-built-in"
PASSWORD_BYTES = 12
DEMO_PLANS = ("business", "pro")
SAMPLE = Path("docs") / "images" / "sample.jpg"
GENERATE_CALL = """\
curl -X POST {api_url}/api/v1/generate \\
  -H "Authorization: Bearer {token}" \\
  -H "Content-Type: application/json" \\
  -d @- <<EOF
{{
  "mode": "style",
  "imageBase64": "$(base64 -w0 {sample})",
  "prompt": "cinematic product photo on a clean studio background",
  "exportSize": "base",
  "outputAspect": "source"
}}
EOF"""
POLL_CALL = """\
curl -X GET {api_url}/api/v1/jobs/JOB_ID \\
  -H "Authorization: Bearer {token}\""""


@dataclass(frozen=True)
class DemoAccount:
    """A workspace with one API key; `token` is the whole key."""

    plan: str
    workspace_id: str
    token: str


def load_demo(path: Path) -> dict[str, DemoAccount]:
    """The accounts that were made so far, by plan."""
    try:
        stored = json.loads(path.read_text())
        return {plan: DemoAccount(**entry) for plan, entry in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


async def ensure_demo(path: Path, environment: Mapping[str, str]) -> dict[str, DemoAccount]:
    """Makes the accounts that are missing; each is written down before the next is made.

    Raises:
        PlatformError: an admin command fails.
    """
    accounts = load_demo(path)
    for plan in DEMO_PLANS:
        if plan in accounts:
            continue
        name = f"Demo {plan.capitalize()}"
        workspace = await _admin(environment, "workspace", "create", "--name", name, "--plan", plan)
        workspace_id = str(workspace["workspaceId"])
        await _admin(
            environment,
            *("member", "add", "--workspace", workspace_id),
            *("--issuer", ISSUER, "--subject", NAME, "--role", "owner"),
        )
        key = await _admin(
            environment, "key", "create", "--workspace", workspace_id, "--name", "demo"
        )
        accounts[plan] = DemoAccount(plan, workspace_id, str(key["token"]))
        stored = {plan: asdict(account) for plan, account in accounts.items()}
        write_private(path, json.dumps(stored, indent=2))
    return accounts


def describe_demo(accounts: Mapping[str, DemoAccount], api_url: str, sample: Path) -> str:
    """The keys, and the two calls ready to paste into bash."""
    keys = "".join(
        f"\nAPI key of a {plan.capitalize()} workspace ({account.workspace_id}):\n"
        f"  {account.token}\n"
        for plan, account in accounts.items()
    )
    token = accounts[DEMO_PLANS[0]].token
    return (
        f"{keys}\n1. Create a generation job:\n\n{build_generate_call(api_url, token, sample)}\n"
        "\n2. Poll it (put the jobId of the answer for JOB_ID):\n"
        f"\n{build_poll_call(api_url, token)}\n"
    )


def describe_commands(data_dir: Path) -> str:
    """What another terminal needs, and how to read all of it again."""
    command = shlex.quote(str(Path(sys.executable).with_name("imagerift-platform")))
    chosen = "" if data_dir == DEFAULT_DATA_DIR else f" --data-dir {shlex.quote(str(data_dir))}"
    return (
        "For another terminal, with the key and kubectl:\n"
        f'  eval "$({command} env{chosen})"\n'
        f"All of this again: {command} demo{chosen}\n"
    )


def build_generate_call(api_url: str, token: str, sample: Path) -> str:
    """A curl call that submits the sample photo.

    The body comes through standard input: as an argument an image would be too long.
    """
    return GENERATE_CALL.format(api_url=api_url, token=token, sample=shlex.quote(str(sample)))


def build_poll_call(api_url: str, token: str) -> str:
    """A curl call that reads a job."""
    return POLL_CALL.format(api_url=api_url, token=token)


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
        person = DemoPerson(NAME, secrets.token_urlsafe(PASSWORD_BYTES))
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


async def _admin(environment: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    command = str(Path(sys.executable).with_name("imagerift"))
    process = await asyncio.create_subprocess_exec(
        command,
        "admin",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        text = errors.decode(errors="replace").strip()
        raise PlatformError(f"imagerift admin {' '.join(arguments)} failed:\n{text}")
    return dict(json.loads(output))
