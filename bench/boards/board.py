"""A dashboard as Grafana reads it: its rows, its panels and what these ask Prometheus for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Grafana's grid.
COLUMNS = 24


@dataclass(frozen=True)
class Query:
    """An expression of PromQL, and the form of its series' names."""

    expression: str
    legend: str

    def name(self, labels: Mapping[str, str]) -> str:
        """What the legend says of a series with these labels."""
        return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), self.legend)


@dataclass(frozen=True)
class Place:
    """Where something is on the grid."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    place: Place
    queries: list[Query]


@dataclass(frozen=True)
class Row:
    title: str
    place: Place


@dataclass(frozen=True)
class Board:
    title: str
    rows: list[Row]
    panels: list[Panel]

    @property
    def parts(self) -> list[Row | Panel]:
        """Everything that has a place."""
        return [*self.rows, *self.panels]

    @property
    def height(self) -> int:
        """In units of the grid."""
        return max(part.place.y + part.place.height for part in self.parts)


def read_board(path: Path, *, namespace: str) -> Board:
    """The dashboard of a file, for one namespace."""
    document = json.loads(path.read_text())
    rows, panels = [], []
    for each in document["panels"]:
        grid = each["gridPos"]
        place = Place(grid["x"], grid["y"], grid["w"], grid["h"])
        if each["type"] == "row":
            rows.append(Row(each["title"], place))
            continue
        queries = [
            Query(target["expr"].replace("$namespace", namespace), target["legendFormat"])
            for target in each["targets"]
        ]
        panels.append(Panel(each["title"], each["fieldConfig"]["defaults"]["unit"], place, queries))
    return Board(document["title"], rows, panels)
