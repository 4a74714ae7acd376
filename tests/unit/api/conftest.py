"""What tests of the API's parts share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.name_server import NameServer


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    """A name server in place of the system's."""
    async with NameServer() as server:
        monkeypatch.setattr("imagerift_core.host_names.system_resolver", server.resolver)
        yield server
