"""A replica on real stores for each test that asks for one."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from imagerift_core import clock
from pymongo import AsyncMongoClient, monitoring
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from tests.contract.conftest import mongo_url, s3_address
from tests.integration.api.harness import (
    Api,
    Tenant,
    environment_of,
    plans_of_tests,
    settings_of,
)
from tests.servers import S3Address

__all__ = ["mongo_url", "s3_address"]


@pytest.fixture(scope="session")
def bucket(s3_address: S3Address) -> Iterator[str]:
    name = f"api-{secrets.token_hex(4)}"
    s3_address.make_bucket(name)
    yield name
    s3_address.drop_bucket(name)


@pytest.fixture
async def environment(
    mongo_url: str, s3_address: S3Address, bucket: str, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """The variables of a replica with a database of its own and generous plans."""
    name = f"api_{secrets.token_hex(6)}"
    plans = tmp_path / "plans.json"
    plans.write_text(json.dumps(plans_of_tests(unitsPerMonth=1000)))
    variables = environment_of(mongo_url, name, s3_address, bucket, tmp_path)
    yield variables | {"IMAGERIFT_PLANS_FILE": str(plans)}
    cleaner: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url)
    await cleaner.drop_database(name)
    await cleaner.close()


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with Api(settings_of(environment)) as replica:
        await replica.until_ready()
        yield replica


class MongoCommands(CommandListener):
    """The (command, collection) pairs that this process sends from `start` on."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, str]] | None = None

    def start(self) -> list[tuple[str, str]]:
        self._seen = []
        return self._seen

    def stop(self) -> None:
        self._seen = None

    def started(self, event: CommandStartedEvent) -> None:
        if self._seen is not None:
            self._seen.append((event.command_name, str(event.command[event.command_name])))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Only starts are of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Only starts are of interest."""


@pytest.fixture
def mongo_commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[MongoCommands]:
    """Ask for it before `api`: clients made later report to it."""
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
