"""The pages in a real headless Chromium, on an API with real stores."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import platformdirs
import pytest
from argon2 import PasswordHasher
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from playwright.async_api import Browser, async_playwright, expect

from tests.contract.conftest import mongo_url, s3_address
from tests.integration.api.conftest import bucket, database_name
from tests.integration.api.harness import Api, environment_of, settings_of
from tests.support.chromium import provision_chromium
from tests.support.pictures import picture
from tests.support.server_processes import S3Address, free_port

__all__ = ["bucket", "database_name", "mongo_url", "s3_address"]

# A busy machine is no reason to fail: what is waited for comes, or never does.
expect.set_options(timeout=120_000)

NAME, PASSWORD = "demo", "a password for tests"


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    cache = Cache(
        Path(os.environ.get("IMAGERIFT_CACHE_DIR") or platformdirs.user_cache_path("imagerift"))
    )
    workshop = Workshop(cache, Debian(cache.root), lambda _line: None)
    found = await asyncio.to_thread(provision_chromium, workshop)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(found.files["chromium"]),
            # The tests may run as root in a container, where Chromium's sandbox cannot start.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def site(
    mongo_url: str,
    s3_address: S3Address,
    bucket: str,
    database_name: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Api]:
    """A replica with the shipped plans, at which `NAME` signs in with `PASSWORD`."""
    folder = tmp_path_factory.mktemp("browser")
    users = folder / "users.json"
    users.write_text(json.dumps({NAME: PasswordHasher(time_cost=1).hash(PASSWORD)}))
    environment = environment_of(mongo_url, database_name, s3_address, bucket, folder)
    port = free_port()
    settings = settings_of(
        environment,
        public_url=f"http://127.0.0.1:{port}",
        sign_in_users_file=users,
        webhook_allowed_hosts=f"127.0.0.1:{port}",
    )
    async with Api(settings, port=port) as replica:
        await replica.until_ready()
        yield replica


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture that somebody chooses."""
    path = tmp_path / "cup.png"
    path.write_bytes(picture())
    return path
