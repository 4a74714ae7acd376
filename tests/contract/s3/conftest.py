"""A bucket of its own for each run, and a store that talks to it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from imagerift_core.s3 import ObjectStore, open_store
from imagerift_core.settings import SharedSettings
from pydantic import SecretStr

from tests.support.server_processes import S3Address


def settings_for(address: S3Address, bucket: str) -> SharedSettings:
    return SharedSettings(
        mongo_url=SecretStr("mongodb://127.0.0.1/"),
        s3_internal_url=address.internal_url,
        s3_public_url=address.public_url,
        s3_bucket=bucket,
        s3_region=address.region,
        s3_access_key=SecretStr(address.access_key),
        s3_secret_key=SecretStr(address.secret_key),
    )


@pytest.fixture(scope="session")
def bucket(s3_address: S3Address) -> Iterator[str]:
    name = f"test-{secrets.token_hex(6)}"
    s3_address.make_bucket(name)
    yield name
    s3_address.drop_bucket(name)


@pytest.fixture
async def store(s3_address: S3Address, bucket: str) -> AsyncIterator[ObjectStore]:
    async with open_store(settings_for(s3_address, bucket)) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who holds no credential: a model server, or a client."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def prefix() -> str:
    """A folder of the test's own in the bucket."""
    return f"workspaces/ws_{secrets.token_hex(4)}/jobs/j/"
