"""Running the programs that provision parts, with their output in a log file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.routes import Report

STEP = "step: "
TAIL_LINES = 15


class RunningCommands:
    """The programs that run now, so that an interrupted start can end them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._cancelled = False

    def add(self, process: subprocess.Popen[str]) -> None:
        """Remembers a program; ends it at once when everything was cancelled before."""
        with self._lock:
            self._processes.add(process)
            if self._cancelled:
                _kill(process)

    def remove(self, process: subprocess.Popen[str]) -> None:
        """Forgets a program that ended."""
        with self._lock:
            self._processes.discard(process)

    @property
    def cancelled(self) -> bool:
        """Whether work should end."""
        return self._cancelled

    def cancel(self) -> None:
        """Ends all programs, with their children, and every one that is started later."""
        with self._lock:
            self._cancelled = True
            for process in self._processes:
                _kill(process)


RUNNING = RunningCommands()


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
        RUNNING.add(process)
        with process:
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                if report is not None and line.startswith(STEP):
                    report(line.removeprefix(STEP).strip())
        RUNNING.remove(process)
    if process.returncode != 0:
        raise RouteUnavailableError(
            f"{command[0]} failed (log: {log}):\n{tail_of(log, TAIL_LINES)}"
        )


def tail_of(log: Path, lines: int) -> str:
    """The last lines of a log file, indented."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
