"""The short form of the chaos suite; `make chaos` runs the long one."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.run import Options, run
from tests.platform_under_test import PlatformUnderTest


def test_a_short_run_of_chaos_breaks_no_promise(
    platform: PlatformUnderTest, tmp_path: Path
) -> None:
    findings = run(platform, tmp_path, Options(seed=20261122, jobs=24, pause=(0.2, 1.5)))
    print(findings.figures)
    assert findings.broken == []
    assert findings.figures["accepted"] >= 15
    platform.wait_ready()
