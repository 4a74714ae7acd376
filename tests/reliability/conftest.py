"""The end-to-end tests' platform, and a shard of these tests' own beside it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import make_tenant, platform, small_photo, tenant
from tests.platform_under_test import PlatformUnderTest
from tests.support.own_shard import Shard, client_of, opened_shard

__all__ = ["make_tenant", "platform", "small_photo", "tenant"]

# An attempt of this mode may last for two seconds only.
BRIEF = {
    "brief": {
        "model": "puppet",
        "promptRequired": False,
        "presetRequired": False,
        "presets": [],
        "exportSizes": ["base"],
        "maxVariations": 8,
        "attemptSeconds": 2,
    }
}


@pytest.fixture(scope="session")
def shard(platform: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shard]:
    """A shard of the tests' own with an API and no operator; each test starts what it needs."""
    with opened_shard(platform, tmp_path_factory.mktemp("shard"), modes=BRIEF) as shard:
        shard.api()
        yield shard


@pytest.fixture
def alone(shard: Shard) -> Iterator[Shard]:
    """The shard without an operator and with every link whole, before and after."""
    shard.triton.seen.clear()
    yield shard
    for link in (shard.mongo, shard.kubernetes, shard.triton, shard.s3):
        link.restore()
    for program in shard.programs[1:]:
        program.clean_up()
    del shard.programs[1:]


@pytest.fixture
def shard_http(shard: Shard) -> Iterator[httpx.Client]:
    with client_of(shard) as http:
        yield http
