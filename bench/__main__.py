"""Everything that the platform must reach, measured beside its floors in one run: `make bench`.

Ratios travel between machines; the absolute figures do not.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psutil

from bench.adapters import open_adapters
from bench.figures import Row, table
from bench.phases import PHASES, Report, Scale
from tests.platform_under_test import PlatformUnderTest, started

# As many as the direct calls of the 100 ms model that are in flight.
SLOTS = 16


async def measure(
    platform: PlatformUnderTest, names: Collection[str], scale: Scale, report: Report
) -> None:
    """Runs the named phases in their order."""
    async with open_adapters(platform) as adapters:
        for name, phase in PHASES.items():
            if name in names:
                await phase(adapters, report, scale)
                sys.stderr.write(f"{name} done\n")


def document(rows: list[Row], details: dict[str, Any]) -> dict[str, Any]:
    machine = {"cores": psutil.cpu_count(), "load": psutil.getloadavg()[0]}
    return {"machine": machine, "rows": [row.document() for row in rows], "details": details}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(PHASES), default=list(PHASES))
    parser.add_argument("--smoke", action="store_true", help="a few of each, for its own sake")
    parser.add_argument("--pace", type=float, help="jobs per second of the steady stream")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    options = parser.parse_args()
    scale = Scale.smoke() if options.smoke else Scale()
    if options.pace:
        scale = dataclasses.replace(scale, steady_per_second=options.pace)
    report = Report()
    try:
        measure_all(options.only, scale, report)
    finally:
        # Also of a run that breaks off: what was measured until then took minutes.
        write(report, options.json)


def measure_all(names: Collection[str], scale: Scale, report: Report) -> None:
    """Runs the named phases on platforms as they are shipped.

    Spans go nowhere until somebody says where to, and nothing is to crash. A long queue drains on
    a platform of its own, whose ended resources stay for as long as they ask for: where they live
    a few seconds, their deletion would be measured as the queue's.
    """
    for group, job_ttl_seconds in ((set(PHASES) - {"queue"}, 15), ({"queue"}, None)):
        wanted = group.intersection(names)
        if wanted:
            with started(
                traced=False, crash_points=False, slots=SLOTS, job_ttl_seconds=job_ttl_seconds
            ) as platform:
                asyncio.run(measure(platform, wanted, scale, report))


def write(report: Report, path: Path | None) -> None:
    """Prints the figures, and writes them to `path`."""
    if path:
        path.write_text(json.dumps(document(report.rows, report.details), indent=2) + "\n")
    sys.stdout.write(json.dumps(report.details, indent=2) + "\n\n" + table(report.rows) + "\n")


if __name__ == "__main__":
    main()
