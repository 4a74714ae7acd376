"""Draws the dashboards and a trace from a few minutes of a real platform's life, read by a real
Prometheus: `python -m bench.boards docs/images --seconds 300`.

It ends with 1 where a rule of the chart cannot be evaluated, or a panel asks for what it is not
excused from having.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import httpx

from bench.boards.board import read_board
from bench.boards.drawing import draw_board, draw_trace
from bench.boards.scraping import now, scraping
from bench.boards.visitors import Visitors
from tests.charts.rendering import MAIN, NAMESPACE
from tests.platform_under_test import PlatformUnderTest, started, wait_until
from tests.support.otlp_receiver import ReceivedSpan

BOARDS = MAIN / "files" / "dashboards"
TRACED = {"POST /api/v1/generate", "attempt", "compute", "settle"}
# Of what there is nothing on one machine without a GPU, a queue of Kueue's or anything that fails,
# whose servers the operator does not make, and in less than the hour to the first recount.
EXCUSED = {
    *("GPU in use", "GPU memory taken", "Power", "Calls of models a second, and those that fail"),
    *("Time in a model", "Waiting inside Triton", "Job pods taken away, an hour"),
    *("Resources left to the sweep a minute", "Writes refused a minute", "Set aside"),
    *("Loops begun again in 15 minutes", "Webhooks put off a minute"),
    *(
        "Loading models, 95 % of an hour",
        "Counters that a recount refutes",
        "Since the last recount",
    ),
}


def spans_of(platform: PlatformUnderTest, trace: str) -> list[ReceivedSpan]:
    """A job's spans, once the last of them has come."""

    def complete() -> list[ReceivedSpan] | None:
        spans = [span for span in platform.spans() if span.trace_id == trace]
        return spans if {span.name for span in spans} >= TRACED else None

    found: list[ReceivedSpan] = wait_until(complete, seconds=10, what=f"the spans {TRACED}")
    return found


def draw_boards(
    platform: PlatformUnderTest, visitors: Visitors, folder: Path, seconds: float
) -> list[str]:
    """Draws every dashboard of so many seconds of visitors; returns what is wrong with them."""
    faults = []
    with (
        tempfile.TemporaryDirectory(prefix="imagerift-boards-") as data,
        scraping(platform, Path(data)) as prometheus,
    ):
        start = now()
        visitors.stay(seconds)
        end = now()
        for path in sorted(BOARDS.glob("*.json")):
            board = read_board(path, namespace=NAMESPACE)
            found = [
                prometheus.series(panel.queries, start=start, end=end) for panel in board.panels
            ]
            empty = draw_board(board, found, folder / f"dashboard-{path.stem}.png")
            faults += [f"nothing for {title!r}" for title in empty if title not in EXCUSED]
        for rule in prometheus.rules():
            if rule["health"] != "ok":
                faults.append(f"{rule['name']}: {rule.get('lastError', rule['health'])}")
            elif rule.get("state", "inactive") != "inactive":
                sys.stderr.write(f"{rule['name']} is {rule['state']}\n")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--trace-alone", action="store_true", help="without the dashboards")
    options = parser.parse_args()
    with (
        started(crash_points=False) as platform,
        httpx.Client(base_url=platform.api_url, timeout=120, trust_env=False) as http,
    ):
        visitors = Visitors(platform, http)
        trace = visitors.make_one_picture()
        draw_trace(spans_of(platform, trace), options.folder / "trace.png")
        faults = []
        if not options.trace_alone:
            faults = draw_boards(platform, visitors, options.folder, options.seconds)
    sys.exit("\n".join(faults) or None)


if __name__ == "__main__":
    main()
