from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.client.fake_api import FakeApi, fake_api


@pytest.fixture
async def server() -> AsyncIterator[FakeApi]:
    async with fake_api() as api:
        yield api
