"""What a bench found: rows beside what they must reach, as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Row:
    """One measured figure and its bound. `beside` holds what it was measured beside."""

    name: str
    value: float
    bound: float
    sense: Literal["at least", "at most"]
    beside: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        if self.sense == "at least":
            return self.value >= self.bound
        return self.value <= self.bound

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}


@dataclass(frozen=True)
class Spread:
    """Latencies in milliseconds, and calls per second."""

    p50: float
    p99: float
    per_second: float


def spread_of(seconds: Sequence[float], *, over: float) -> Spread:
    """The spread of calls that took `seconds` each, made within `over` seconds."""
    ordered = sorted(seconds)
    return Spread(
        p50=round(statistics.median(ordered) * 1000, 2),
        p99=round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, 2),
        per_second=round(len(ordered) / over, 1),
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| what | measured | bound | holds | beside |", "|---|---|---|---|---|"]
    for row in rows:
        beside = ", ".join(f"{name} {value}" for name, value in row.beside.items())
        holds = "yes" if row.holds else "no"
        lines.append(f"| {row.name} | {row.value} | {row.sense} {row.bound} | {holds} | {beside} |")
    return "\n".join(lines)
