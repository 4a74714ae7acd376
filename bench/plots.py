"""A run as the pictures of docs/performance.md: `python -m bench.plots FILE.json FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

MET, MISSED, INK = "#2f7d5b", "#c0562f", "#333333"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "imagerift",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}


def draw(document: dict[str, Any], folder: Path) -> list[Path]:
    """Draws what the run has measured; returns the files."""
    details = document["details"]
    made = []
    with plt.rc_context(STYLE):
        made.append(_save(rows_figure(document["rows"]), folder / "performance-rows.svg"))
        if "throughput" in details:
            cpu = details["throughput"]["CPU ms a job"]
            made.append(_save(cpu_figure(cpu), folder / "performance-cpu.svg"))
        if "queue" in details:
            made.append(_save(drain_figure(details["queue"]), folder / "performance-queue.svg"))
        if "steady" in details:
            made.append(_save(steady_figure(details["steady"]), folder / "performance-steady.svg"))
    return made


def rows_figure(rows: list[dict[str, Any]]) -> Any:
    """Each row as a multiple of its bound, so that one is just enough for all of them."""
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(rows) + 0.9), layout="constrained")
    names = [row["name"] for row in rows][::-1]
    scores = [
        row["value"] / row["bound"]
        if row["sense"] == "at least"
        else row["bound"] / max(row["value"], 1e-9)
        for row in rows
    ][::-1]
    shown = [min(4, score) for score in scores]
    bars = axes.barh(names, shown, color=[MET if score >= 1 else MISSED for score in scores])
    axes.bar_label(bars, [f" {score:.2f}" for score in scores])
    axes.axvline(1, color=INK, linewidth=1, linestyle="--")
    axes.set_xlim(0, 1.1 * min(4, max(scores)))
    axes.set_xlabel("times what is wanted; the dashed line is just enough")
    return figure


def cpu_figure(cpu: dict[str, float]) -> Any:
    """Where the CPU time of one job goes, by process."""
    parts = {name: value for name, value in cpu.items() if name != "all" and value >= 0.05}
    figure, axes = plt.subplots(figsize=(9, 1.5), layout="constrained")
    colors = matplotlib.color_sequences["tab10"]
    left = 0.0
    for number, (name, value) in enumerate(parts.items()):
        axes.barh([0], [value], left=left, color=colors[number % 10], label=f"{name} {value:.1f}")
        left += value
    axes.set_yticks([])
    axes.set_xlabel("CPU milliseconds a no-op job")
    axes.legend(ncols=5, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    return figure


def drain_figure(queue: dict[str, Any]) -> Any:
    """How many jobs of the deepest queue had ended when."""
    figure, axes = plt.subplots(figsize=(9, 3), layout="constrained")
    curve = queue["curve"]
    ended = [(number + 1) * queue["jobs"] / len(curve) for number in range(len(curve))]
    axes.plot(curve, ended, color=MET)
    axes.set_title(f"{queue['jobs']} queued jobs drain at {queue['drain']} a second")
    axes.set_xlabel("seconds since the first end")
    axes.set_ylabel("jobs ended")
    axes.set_ylim(0)
    return figure


def steady_figure(steady: dict[str, Any]) -> Any:
    """Submit to done over the minutes of the steady stream."""
    figure, axes = plt.subplots(figsize=(9, 3), layout="constrained")
    by_time = steady["by_time"]
    axes.plot([10 * (number + 1) for number in range(len(by_time))], by_time, color=MET)
    axes.set_title(
        f"{steady['asked_per_second']:g} jobs/s and {steady['pollers']} pollers:"
        " submit to done, p50 of each ten seconds"
    )
    axes.set_xlabel("seconds since the first submit")
    axes.set_ylabel("milliseconds")
    axes.set_ylim(0)
    return figure


def _save(figure: Any, path: Path) -> Path:
    # Without a date, so that the same figures make the same file.
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
