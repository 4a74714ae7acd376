"""A platform, and a shard whose programs are of this version or of a newer one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import platform, small_photo
from tests.platform_under_test import PlatformUnderTest
from tests.support.newer_version import MODE
from tests.support.own_shard import Shard, opened_shard

__all__ = ["platform", "small_photo"]


@pytest.fixture
def shard(platform: PlatformUnderTest, tmp_path: Path) -> Iterator[Shard]:
    """A shard without a process yet, whose pool serves the newer version's mode too."""
    known: dict[str, Any] = json.loads((platform.data.parent / "modes.json").read_text())
    # The programs of this version do not know it.
    (tmp_path / "modes-of-this-version.json").write_text(json.dumps(known))
    with opened_shard(platform, tmp_path, modes={MODE: known["puppet"]}) as shard:
        yield shard
