"""What the user sees: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import asdict, dataclass
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from imagerift_local.state import format_parts
from imagerift_local.supervisor import State, Status

HEARTBEAT = 20.0

STYLES = {
    "bold green": [State.READY],
    "bold cyan": [State.EXTERNAL],
    "yellow": [State.STARTING, State.STOPPING],
    "bold red": [State.RESTARTING, State.FAILED],
}


@dataclass
class _Step:
    line: str
    since: float
    shown: float


class Board:
    """Takes the news of a start and shows them, one line for each change: for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._began = time.monotonic()
        self._steps: dict[str, _Step] = {}
        self._statuses: dict[str, Status] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves what was shown as it is."""

    def progress(self, name: str, line: str) -> None:
        """One step of the provisioning of a part; may come from another thread."""
        now = time.monotonic()
        self._steps[name] = _Step(line, now, now)
        self._change(f"{name}: {line}")

    def provisioned(self) -> None:
        """All parts are there."""
        self._steps.clear()

    def part(self, status: Status) -> None:
        """A part changed its state; what is the same as before is not told again."""
        before = self._statuses.get(status.name)
        self._statuses[status.name] = status
        told = (before.state, before.note) if before else (State.WAITING, status.note)
        if told == (status.state, status.note):
            return
        line = f"{status.name}: {status.state}"
        if status.state in {State.READY, State.EXTERNAL}:
            line += f" at {status.address}"
        if status.state is State.STARTING and status.log:
            line += f" (log {status.log})"
        if status.note:
            line += f" ({status.note})"
        self._change(line)

    def say(self, text: str) -> None:
        """Text for the user, which stays as it is so that it can be copied."""
        # A reader that went away must not stop the platform.
        with contextlib.suppress(BrokenPipeError):
            # One write: steps of several parts come from several threads.
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def tick(self) -> None:
        """Called about every second: repeats the steps that have taken long, with their time."""
        now = time.monotonic()
        for name, step in list(self._steps.items()):
            is_result = " from " in step.line and step.line[:1].isdigit()
            if now - step.shown >= HEARTBEAT and not is_result:
                step.shown = now
                self._change(f"{name}: {step.line} ... {now - step.since:.0f} s")

    def _change(self, line: str) -> None:
        self.say(f"[{time.monotonic() - self._began:6.1f} s] {line}")


class LiveBoard(Board):
    """On a terminal: a table of the parts below the lines, redrawn in place."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._table)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def part(self, status: Status) -> None:
        """A part changed its state: its row does."""
        self._statuses[status.name] = status

    def say(self, text: str) -> None:
        """Prints the text above the table, unwrapped."""
        self._console.print(Text(text), soft_wrap=True)

    def _table(self) -> Text:
        parts = {name: asdict(status) for name, status in self._statuses.items()}
        text = Text(format_parts(parts) if parts else "")
        for style, states in STYLES.items():
            text.highlight_regex(rf"\b({'|'.join(states)})\b", style)
        return text


def open_board() -> Board:
    """The board that fits where the output goes."""
    console = Console()
    return LiveBoard(console) if console.is_terminal else Board()
