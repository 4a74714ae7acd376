"""The benches run: a few of each kind of call, whose figures mean nothing here."""

from __future__ import annotations

from bench.__main__ import document, measure
from bench.figures import table
from bench.phases import Scale
from tests.platform_under_test import PlatformUnderTest

PHASES = ["throughput", "delay", "latency", "api", "steady", "queue"]


async def test_every_bench_measures_what_it_says(platform: PlatformUnderTest) -> None:
    report = await measure(platform, PHASES, Scale.smoke())
    rows = document(report.rows, report.details)["rows"]
    assert len(rows) == 9
    measured = {row["name"]: row["value"] for row in rows}
    assert all(value > 0 for name, value in measured.items() if "memory" not in name)
    assert table(report.rows).count("\n") == len(rows) + 1
