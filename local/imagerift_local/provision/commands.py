"""Running the programs that provision parts, with their output in a log file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from imagerift_local.errors import RouteUnavailableError

Report = Callable[[str], None]
"""Takes one line about the progress."""

STEP = "step: "
ANSWER_SECONDS = 60.0
TAIL_LINES = 15


CANCELLED = threading.Event()
"""Set when what is being provisioned is no longer wanted."""


def cancel_commands() -> None:
    """Ends the programs that run, with their children, and every one that is started later."""
    CANCELLED.set()
    for child in psutil.Process().children():
        _kill(child.pid)


def run_logged(
    command: Sequence[str],
    *,
    log: Path,
    report: Report | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a program to its end; its output goes to `log`, its `step: ` lines to `report`.

    Raises:
        RouteUnavailableError: it does not exist or fails; the text ends with the last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise RouteUnavailableError(f"{command[0]} does not run: {error}") from error
        with process:
            if CANCELLED.is_set():
                _kill(process.pid)
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                if report is not None and line.startswith(STEP):
                    report(line.removeprefix(STEP).strip())
    if process.returncode != 0:
        raise RouteUnavailableError(
            f"{command[0]} failed (log: {log}):\n{tail_of(log, TAIL_LINES)}"
        )


def ask(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program that answers at once; the result is what it prints and how it ended.

    Raises:
        RouteUnavailableError: it does not exist, or does not end.
    """
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RouteUnavailableError(f"{command[0]} does not run: {error}") from error


def tail_of(log: Path, lines: int) -> str:
    """The last lines of a log file, indented."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def _kill(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
