"""Dashboards and traces as pictures: every panel has its place, and says where it has nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bench.boards.board import COLUMNS, Board, Query, read_board
from bench.boards.drawing import UNITS, Series, bars, draw_board, draw_trace
from tests.support.otlp_receiver import ReceivedSpan

FOLDER = Path(__file__).parents[3] / "charts/imagerift/files/dashboards"
FILES = sorted(FOLDER.glob("*.json"))
LINE = Series("a line", [(0.0, 1.0), (1.0, 3.0)])


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def board(request: pytest.FixtureRequest) -> Board:
    return read_board(request.param, namespace="pictures")


def test_a_legend_is_filled_from_the_series_labels() -> None:
    query = Query("up", "{{pod}}, {{missing}}: ready")
    assert query.name({"pod": "a", "job": "b"}) == "a, : ready"


def test_every_panel_is_read_for_the_namespace_and_no_two_overlap(board: Board) -> None:
    cells: set[tuple[int, int]] = set()
    assert board.panels and board.rows
    for each in board.parts:
        place = each.place
        taken = {
            (x, y)
            for x in range(place.x, place.x + place.width)
            for y in range(place.y, place.y + place.height)
        }
        assert not taken & cells, each.title
        assert place.x + place.width <= COLUMNS, each.title
        cells |= taken
    for panel in board.panels:
        assert panel.unit in UNITS, panel.title
        for query in panel.queries:
            assert "$" not in query.expression
            assert 'namespace="pictures"' in query.expression, panel.title


def test_a_panel_that_has_nothing_is_named(board: Board, tmp_path: Path) -> None:
    found = [[LINE] for _ in board.panels]
    found[1] = []
    drawn = tmp_path / "board.png"
    assert draw_board(board, found, drawn) == [board.panels[1].title]
    with Image.open(drawn) as picture:
        assert picture.width > 1000 and picture.height > 600


def span(name: str, parent: str, start: int, end: int, **attributes: float) -> ReceivedSpan:
    named = {f"imagerift.stage.{stage}": value for stage, value in attributes.items()}
    times = {"start": start * 1_000_000, "end": end * 1_000_000}
    return ReceivedSpan(
        "service", name, "t", name, parent, failed=False, attributes=dict(named), **times
    )


def test_a_trace_is_a_tree_in_the_order_of_time_with_the_models_stages_below_its_work(
    tmp_path: Path,
) -> None:
    spans = [
        span("compute", "attempt", 120, 180, decodeMs=10, modelMs=45),
        span("attempt", "request", 110, 200),
        # Its parent is the caller's, of whom nothing is known.
        span("request", "elsewhere", 100, 105),
        span("admit", "request", 101, 103),
    ]
    lines = bars(spans)
    assert [(line.label, line.depth, line.start) for line in lines] == [
        ("request, 5.0 ms", 0, 0.0),
        ("admit, 2.0 ms", 1, 1.0),
        ("attempt, 90.0 ms", 1, 10.0),
        ("compute, 60.0 ms", 2, 20.0),
        ("decode, 10 ms", 3, 20.0),
        ("model, 45 ms", 3, 30.0),
    ]
    drawn = tmp_path / "trace.png"
    assert draw_trace(spans, drawn) == lines
    with Image.open(drawn) as picture:
        assert picture.width > 500
