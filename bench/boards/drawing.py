"""A dashboard's series and a trace's spans as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.boards.board import COLUMNS, Board, Panel
from tests.support.otlp_receiver import ReceivedSpan

INK, FAINT = "#333333", "#888888"
STYLE: dict[Any, Any] = {
    "font.size": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e8e8e8",
    "lines.linewidth": 1.1,
}
# Inches of a unit of the grid, and of what stands around a panel's axes.
WIDE, HIGH, TOP = 0.46, 0.26, 0.45
LEFT, RIGHT, ABOVE, BELOW = 0.5, 0.12, 0.28, 0.58
UNITS = {
    "percentunit": lambda value, _: f"{100 * value:g} %",
    "s": lambda value, _: f"{value:g} s",
    "µs": lambda value, _: f"{value / 1000:g} ms",
    "watt": lambda value, _: f"{value:g} W",
    "reqps": lambda value, _: f"{value:g}/s",
    "ops": lambda value, _: f"{value:g}/s",
    "short": lambda value, _: f"{value:g}",
}
NOTHING = "no series"


@dataclass(frozen=True)
class Series:
    """One line of a panel: (minutes since the beginning, value)."""

    name: str
    points: list[tuple[float, float]]


def draw_board(board: Board, found: Sequence[list[Series]], path: Path) -> list[str]:
    """Draws each panel with what was found for it, in their order; returns the titles of those
    for which there was nothing, which say so."""
    width, height = COLUMNS * WIDE, board.height * HIGH + TOP
    empty = []
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(width, height), dpi=110)
        figure.text(LEFT / width, 1 - 0.2 / height, board.title, fontsize=12, weight="bold")
        for row in board.rows:
            top = 1 - (TOP + (row.place.y + 0.9) * HIGH) / height
            figure.text(0.15 / width, top, row.title, fontsize=9, weight="bold", color=INK)
        for panel, series in zip(board.panels, found, strict=True):
            place = panel.place
            left = place.x * WIDE + LEFT
            bottom = height - TOP - (place.y + place.height) * HIGH + BELOW
            size = (place.width * WIDE - LEFT - RIGHT, place.height * HIGH - ABOVE - BELOW)
            box = (left / width, bottom / height, size[0] / width, size[1] / height)
            _panel(figure.add_axes(box), panel, series)
            if not series:
                empty.append(panel.title)
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)
    return empty


def _panel(axes: Any, panel: Panel, series: Sequence[Series]) -> None:
    axes.set_title(panel.title)
    axes.yaxis.set_major_formatter(FuncFormatter(UNITS[panel.unit]))
    axes.xaxis.set_major_locator(MaxNLocator(panel.place.width // 2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} min"))
    for each in series:
        axes.plot(*zip(*each.points, strict=True), label=each.name)
    if series:
        axes.set_ylim(bottom=min(0.0, *(value for each in series for _, value in each.points)))
        columns, below = panel.place.width // 4, (-0.02, -0.14)
        axes.legend(
            ncols=columns, loc="upper left", bbox_to_anchor=below, frameon=False, fontsize=6
        )
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, NOTHING, transform=axes.transAxes, ha="center", color=FAINT)


@dataclass(frozen=True)
class Bar:
    """A line of a trace's picture: times in milliseconds since the trace's beginning."""

    label: str
    service: str
    depth: int
    start: float
    end: float


def bars(spans: Sequence[ReceivedSpan]) -> list[Bar]:
    """A trace's spans as a tree, each below its parent and brothers by time; below the model's work
    the stages that it measured, one after the other."""
    known = {span.span_id for span in spans}
    children: dict[str, list[ReceivedSpan]] = {}
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        parent = span.parent_id if span.parent_id in known else ""
        children.setdefault(parent, []).append(span)
    began = min(span.start for span in spans)
    stages = [
        (name.removeprefix("imagerift.stage."), float(value))
        for span in spans
        for name, value in span.attributes.items()
        if name.startswith("imagerift.stage.")
    ]
    found: list[Bar] = []

    def add(span: ReceivedSpan, depth: int) -> None:
        start, end = (span.start - began) / 1e6, (span.end - began) / 1e6
        found.append(Bar(f"{span.name}, {end - start:.1f} ms", span.service, depth, start, end))
        if span.name == "compute":
            for name, taken in stages:
                label = f"{name.removesuffix('Ms')}, {taken:.0f} ms"
                found.append(Bar(label, "stages of the model", depth + 1, start, start + taken))
                start += taken
        for child in children.get(span.span_id, []):
            add(child, depth + 1)

    for root in children.get("", []):
        add(root, 0)
    return found


def draw_trace(spans: Sequence[ReceivedSpan], path: Path) -> list[Bar]:
    """Draws the trace as a waterfall; returns its lines."""
    lines = bars(spans)
    services = sorted({line.service for line in lines})
    colors = dict(zip(services, matplotlib.color_sequences["tab10"], strict=False))
    end = max(line.end for line in lines)
    with plt.rc_context(STYLE):
        size = (10, 0.26 * len(lines) + 0.9)
        figure, axes = plt.subplots(figsize=size, dpi=110, layout="constrained")
        for number, line in enumerate(lines):
            length = max(line.end - line.start, end / 400)
            axes.barh(number, length, left=line.start, height=0.7, color=colors[line.service])
            # Behind its bar, before it or on it, where there is room.
            if line.start + length < 0.7 * end:
                at, side, color = line.start + length, "left", INK
            elif line.start > 0.3 * end:
                at, side, color = line.start, "right", INK
            else:
                at, side, color = line.start, "left", "white"
            axes.text(at, number, f" {line.label} ", va="center", ha=side, color=color)
        axes.set_yticks(
            range(len(lines)), ["· " * line.depth + line.label.split(",")[0] for line in lines]
        )
        for label in axes.get_yticklabels():
            label.set_horizontalalignment("left")
        axes.tick_params(axis="y", pad=110, length=0)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, 1.02 * end)
        axes.set_xlabel("milliseconds since the request came")
        axes.legend(
            [Patch(color=colors[service]) for service in services],
            services,
            ncols=4,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            frameon=False,
        )
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)
    return lines
