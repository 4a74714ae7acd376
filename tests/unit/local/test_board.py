"""The board without a terminal, and the table on one."""

from __future__ import annotations

import io
from pathlib import Path

from imagerift_local.board import Board, LiveBoard
from imagerift_local.supervisor import State, Status
from rich.console import Console


def status(state: State, note: str = "") -> Status:
    return Status("etcd", state, "https://127.0.0.1:12379", Path("/d/logs/etcd.log"), note=note)


def test_plain_lines_tell_each_change_once() -> None:
    stream = io.StringIO()
    with Board(stream) as board:
        board.progress("kubernetes", "compiling kube-apiserver")
        for state in (State.WAITING, State.STARTING, State.READY, State.READY):
            board.part(status(state))
        board.part(status(State.RESTARTING, "killed by SIGKILL; again in 0.25 s"))
    lines = [line.partition("] ")[2] for line in stream.getvalue().splitlines()]
    assert lines == [
        "kubernetes: compiling kube-apiserver",
        "etcd: starting (log /d/logs/etcd.log)",
        "etcd: ready at https://127.0.0.1:12379",
        "etcd: restarting (killed by SIGKILL; again in 0.25 s)",
    ]


def test_text_for_the_user_is_printed_as_it_is() -> None:
    stream = io.StringIO()
    long = "curl " + "x" * 500
    with Board(stream) as board:
        board.say(long)
    assert stream.getvalue() == long + "\n"


def test_a_terminal_shows_a_table_and_keeps_long_lines_whole() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    long = "curl " + "x" * 500
    with LiveBoard(console) as board:
        board.progress("kubernetes", "compiling kube-apiserver")
        board.provisioned()
        board.part(status(State.READY))
        board.say(long)
    text = stream.getvalue()
    assert long in text
    assert "https://127.0.0.1:12379" in text
    assert "/d/logs/PART.log" in text


def test_the_table_fits_a_terminal_of_eighty_columns() -> None:
    stream = io.StringIO()
    with LiveBoard(Console(file=stream, force_terminal=True, color_system=None, width=80)) as board:
        board.part(status(State.READY))
    (row,) = [line for line in stream.getvalue().splitlines() if "https://127.0.0.1:12379" in line]
    assert "etcd" in row and "ready" in row
