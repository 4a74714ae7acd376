"""The demo workspaces, made once and kept in a private file, and the person who signs in there."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
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
        PlatformError: the API does not answer, or refuses.
    """
    accounts = load_demo(path)
    bearer = {"Authorization": f"Bearer {environment['IMAGERIFT_ADMIN_TOKEN']}"}
    address = f"{environment['IMAGERIFT_API_URL']}/admin/v1/"
    async with aiohttp.ClientSession(address, headers=bearer, raise_for_status=True) as http:
        for plan in DEMO_PLANS:
            if plan in accounts:
                continue
            made = await _made(http, "workspaces", name=f"Demo {plan.capitalize()}", plan=plan)
            workspace = str(made["workspaceId"])
            who = {"issuer": ISSUER, "subject": NAME, "role": "owner"}
            await _made(http, f"workspaces/{workspace}/members", **who)
            key = await _made(http, f"workspaces/{workspace}/keys", name="demo")
            accounts[plan] = DemoAccount(plan, workspace, str(key["token"]))
            write_json(path, {plan: asdict(account) for plan, account in accounts.items()})
    return accounts


async def _made(http: aiohttp.ClientSession, what: str, **body: str) -> dict[str, Any]:
    try:
        async with http.post(what, json=body) as answer:
            return dict(await answer.json())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PlatformError(f"the API made no {what}: {error}") from error


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
