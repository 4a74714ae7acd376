"""An empty database for each test, in a replica set that all of them share."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from imagerift_core.mongo import Database, connect
from pymongo import AsyncMongoClient


@pytest.fixture(scope="session")
async def opened_database(mongo_url: str) -> AsyncIterator[Database]:
    name = f"test_{secrets.token_hex(6)}"
    async with _client(mongo_url) as client:
        # Moments of tests lie in the past, and the server would take what has expired since.
        await client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
    async with connect(mongo_url, name) as opened:
        await opened.ensure_indexes()
        yield opened
    # A client that was kept takes the server for gone, where tests without a loop came between.
    async with _client(mongo_url) as client:
        await client.drop_database(name)


def _client(mongo_url: str) -> AsyncMongoClient[dict[str, object]]:
    return AsyncMongoClient(mongo_url)


@pytest.fixture
async def database(opened_database: Database) -> Database:
    """Emptied, not made anew: its indexes would take longer than most tests."""
    collections = opened_database.jobs.database
    listed = await collections.list_collection_names()
    # A view of a test's own, and what the server keeps of it, hold no documents of ours.
    names = [name for name in listed if not name.startswith("system.")]
    await asyncio.gather(*(collections[name].delete_many({}) for name in names))
    return opened_database
