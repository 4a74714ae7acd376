"""The demo workspaces, made once and kept in a private file, and the person who signs in there."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from imagerift_local.errors import PlatformError
from imagerift_local.files import read_json, write_json
from imagerift_local.settings import DEFAULT_DATA_DIR

NAME = "demo"
ISSUER = "imagerift-built-in"
DEMO_PLANS = ("business", "pro")
SAMPLE = Path("docs") / "images" / "sample.jpg"
# Its first call sends the body through standard input: as an argument an image would be too long.
TEXT = Path(__file__).with_name("demo.txt")


@dataclass(frozen=True)
class DemoAccount:
    """A workspace with one API key; `token` is the whole key."""

    plan: str
    workspace_id: str
    token: str


def load_demo(path: Path) -> dict[str, DemoAccount]:
    """The accounts that were made so far, by plan."""
    try:
        return {plan: DemoAccount(**entry) for plan, entry in read_json(path).items()}
    except TypeError:
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
        write_json(path, {plan: asdict(account) for plan, account in accounts.items()})
    return accounts


def describe_demo(
    accounts: Mapping[str, DemoAccount], password: str, api_url: str, sample: Path
) -> str:
    """The keys, two calls ready to paste into bash, and where to sign in as whom."""
    given = {"name": NAME, "password": password, "api_url": api_url}
    return TEXT.read_text().format(**accounts, **given, sample=shlex.quote(str(sample)))


def describe_commands(data_dir: Path) -> str:
    """What another terminal needs, and how to read all of it again."""
    command = shlex.quote(str(Path(sys.executable).with_name("imagerift-platform")))
    chosen = "" if data_dir == DEFAULT_DATA_DIR else f" --data-dir {shlex.quote(str(data_dir))}"
    return (
        "For another terminal, with the key and kubectl:\n"
        f'  eval "$({command} env{chosen})"\n'
        f"All of this again: {command} demo{chosen}\n"
    )


def write_sign_in_users(path: Path, password: str) -> None:
    """Lets the demo person sign in: the API reads names with the hash of each one's password."""
    write_json(path, {NAME: PasswordHasher().hash(password)})


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
