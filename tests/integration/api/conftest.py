"""A replica on real stores for each test that asks for one."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from imagerift.cli import app as command
from imagerift_core import clock
from pymongo import AsyncMongoClient, monitoring
from typer.testing import CliRunner, Result

from tests.contract.conftest import mongo_url, s3_address
from tests.integration.api.harness import (
    Api,
    MongoCommands,
    Tenant,
    environment_of,
    plans_of_tests,
    settings_of,
)
from tests.support.server_processes import S3Address

__all__ = ["mongo_url", "s3_address"]


@pytest.fixture(scope="session")
def bucket(s3_address: S3Address) -> Iterator[str]:
    name = f"api-{secrets.token_hex(4)}"
    s3_address.make_bucket(name)
    yield name
    s3_address.drop_bucket(name)


@pytest.fixture(scope="session")
async def database_name(mongo_url: str) -> AsyncIterator[str]:
    """One database for all these tests; each has workspaces of its own in it."""
    name = f"api_{secrets.token_hex(6)}"
    yield name
    cleaner: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url)
    await cleaner.drop_database(name)
    await cleaner.close()


@pytest.fixture(scope="session")
def environment(
    mongo_url: str,
    s3_address: S3Address,
    bucket: str,
    database_name: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The variables of a replica with generous plans."""
    folder = tmp_path_factory.mktemp("api")
    plans = folder / "plans.json"
    plans.write_text(json.dumps(plans_of_tests(unitsPerMonth=1000)))
    variables = environment_of(mongo_url, database_name, s3_address, bucket, folder)
    return variables | {"IMAGERIFT_PLANS_FILE": str(plans)}


@pytest.fixture(scope="session")
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    """A replica that every test may share."""
    async with Api(settings_of(environment)) as replica:
        await replica.until_ready()
        yield replica


@pytest.fixture
def mongo_commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[MongoCommands]:
    """Clients that are made while this is in use report to it."""
    listener = MongoCommands()
    known = monitoring._LISTENERS
    grown = known._replace(command_listeners=[*known.command_listeners, listener])
    monkeypatch.setattr(monitoring, "_LISTENERS", grown)
    yield listener
    listener.stop()


@pytest.fixture
async def tenant(api: Api) -> Tenant:
    return await api.tenant()


@pytest.fixture
def one_minute(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Holds the clock, so that every request of the test falls into one rate window."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    return moment


@pytest.fixture
def run(api: Api, environment: dict[str, str]) -> Callable[..., Awaitable[Result]]:
    """Runs `imagerift admin` with the arguments, as an operator does: without the pepper, and with
    the database's address for those commands alone that work on it."""
    given = {name: value for name, value in environment.items() if name != "IMAGERIFT_KEY_PEPPER"}
    given["IMAGERIFT_API_URL"] = api.base_url

    async def call(*arguments: str) -> Result:
        on_database = arguments[0] in {"audit", "store"}
        here = {
            name: None if "_MONGO_" in name and not on_database else value
            for name, value in given.items()
        }
        runner = CliRunner(env=here)
        # In a thread: the API answers in this one.
        return await asyncio.to_thread(runner.invoke, command, ["admin", *arguments])

    return call
