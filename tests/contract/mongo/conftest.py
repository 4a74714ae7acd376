"""A fresh database for each test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
from imagerift_core.mongo import Database, connect
from pymongo import AsyncMongoClient


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    name = f"test_{secrets.token_hex(6)}"
    async with connect(mongo_url, name) as opened:
        await opened.ensure_indexes()
        yield opened
    cleaner: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
    await cleaner.drop_database(name)
    await cleaner.close()
