"""The benches run: a few of each kind of call, whose figures mean nothing here."""

from __future__ import annotations

from pathlib import Path

from bench.__main__ import document, measure
from bench.figures import table
from bench.phases import Report, Scale
from bench.plots import draw
from tests.platform_under_test import PlatformUnderTest

PHASES = ["throughput", "delay", "latency", "api", "steady", "queue"]


async def test_every_bench_measures_what_it_says(
    platform: PlatformUnderTest, tmp_path: Path
) -> None:
    report = Report()
    await measure(platform, PHASES, Scale.smoke(), report)
    run = document(report.rows, report.details)
    rows = run["rows"]
    assert len(rows) == 9
    measured = {row["name"]: row["value"] for row in rows}
    assert all(value > 0 for name, value in measured.items() if "memory" not in name)
    assert table(report.rows).count("\n") == len(rows) + 1
    pictures = draw(run, tmp_path)
    assert len(pictures) == 4
    assert all("<svg" in picture.read_text() for picture in pictures)
