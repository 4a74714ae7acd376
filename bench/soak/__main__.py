"""Jobs at a steady rate for hours, and whether anything grows that should not: `make soak`.

`python -m bench.soak --jobs 100000 --per-second 10` prints a table of what was sampled, and ends
with 1 where a figure is not flat. `IMAGERIFT_TEST_ENV` may name a running platform.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from bench.adapters import new_account, open_adapters
from bench.jobs import photo_of, submit_body
from bench.soak.figures import bound_of, figures_of
from bench.soak.verdict import Sample, Trend, table, trend
from bench.steady import Steady, steady_stream
from tests.platform_under_test import PlatformUnderTest, attach, started

_WORKSPACES = 5
_POLLERS = 10
_PHOTO_BYTES = 20_000


async def soak(
    platform: PlatformUnderTest, *, jobs: int, per_second: float, every: float
) -> tuple[Steady, list[Sample]]:
    """Submits so many jobs at a pace while others poll, and samples all the while."""
    accounts = [new_account(platform) for _ in range(_WORKSPACES)]
    body = submit_body("noop", photo_of(_PHOTO_BYTES))
    samples: list[Sample] = []
    async with open_adapters(platform) as adapters:
        sampling = asyncio.create_task(_sample(platform, samples, every))
        try:
            steady = await steady_stream(
                adapters,
                accounts,
                body,
                per_second=per_second,
                seconds=jobs / per_second,
                pollers=_POLLERS,
            )
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
    return steady, samples


async def _sample(platform: PlatformUnderTest, samples: list[Sample], every: float) -> None:
    """Adds a sample at once and then every so many seconds, and prints each to stderr."""
    began = time.monotonic()
    with MongoClient[dict[str, Any]](platform.administrator["IMAGERIFT_MONGO_URL"]) as client:
        database = client[platform.environment["IMAGERIFT_MONGO_DATABASE"]]
        while True:
            figures = await asyncio.to_thread(figures_of, platform, client)
            ended = await asyncio.to_thread(
                database.jobs.count_documents, {"status": {"$nin": ["queued", "processing"]}}
            )
            samples.append(Sample(round(time.monotonic() - began, 1), ended, figures))
            line = {name: value for name, value in figures.items() if name.endswith("MiB")}
            told = {"seconds": samples[-1].seconds, "jobs": ended, **line}
            sys.stderr.write(f"{json.dumps(told)}\n")
            await asyncio.sleep(max(0.0, every * len(samples) - (time.monotonic() - began)))


def trends_of(samples: list[Sample]) -> list[Trend]:
    """One for each figure that any sample has."""
    names = {name: None for sample in samples for name in sample.figures}
    return [trend(name, samples, bound_of(name)) for name in names]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--per-second", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two samples")
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    options = parser.parse_args()
    given = os.environ.get("IMAGERIFT_TEST_ENV")
    with ExitStack() as stack:
        if given:
            platform = attach(Path(given))
        else:
            platform = stack.enter_context(started(traced=False, crash_points=False))
        steady, samples = asyncio.run(
            soak(platform, jobs=options.jobs, per_second=options.per_second, every=options.every)
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(sample) for sample in samples], indent=1))
    trends = trends_of(samples)
    growing = [found.name for found in trends if not found.flat]
    verdict = f"not flat: {', '.join(growing)}" if growing else "flat"
    pace = f"{steady.asked_per_second}/s, ended at {steady.ended_per_second}/s"
    head = f"{options.jobs} jobs at {pace}; {len(samples)} samples"
    sys.stdout.write(f"{head}\n\n{table(trends)}\n\n{verdict}\n")
    return 1 if growing else 0


if __name__ == "__main__":
    sys.exit(main())
