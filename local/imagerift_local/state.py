"""What a running platform tells other programs: its state, its environment, its lock."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from imagerift_local.errors import PlatformError
from imagerift_local.files import read_json, write_json, write_private
from imagerift_local.layout import DataFolder
from imagerift_local.supervisor import Status


def write_state(data: DataFolder, statuses: Mapping[str, Status], *, ready: bool) -> None:
    """Replaces state.json in one step."""
    parts = {name: asdict(status) for name, status in statuses.items()}
    for part in parts.values():
        del part["name"]
    write_json(data.state, {"ready": ready, "parts": parts, "env": data.environment})


def read_state(data: DataFolder) -> dict[str, Any] | None:
    """The last state that was written, or None."""
    return read_json(data.state) or None


def format_parts(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The parts of state.json as lines: whole in a pipe, for usual names within 80 columns.

    What is the same for every part is said once, below.
    """
    rows: list[tuple[str, ...]] = [("PART", "STATE", "PID", "RESTARTS", "ADDRESS")]
    rows += [
        (name, part["state"], str(part["pid"] or ""), str(part["restarts"] or ""), part["address"])
        for name, part in parts.items()
    ]
    if not any(part["restarts"] for part in parts.values()):
        rows = [(name, state, pid, address) for name, state, pid, _, address in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    notes = ["", *(part["note"] for part in parts.values())]
    lines = []
    for row, note in zip(rows, notes, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        lines += [f"  {note}"] if note else []
    folders = sorted({str(Path(part["log"]).parent) for part in parts.values() if part["log"]})
    lines += [f"Each part's log: {folder}/PART.log" for folder in folders]
    return "\n".join(lines)


def format_environment(variables: Mapping[str, str]) -> str:
    """Lines for a shell to read: `NAME='value'`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def parse_environment(text: str) -> dict[str, str]:
    """The variables in the text that `format_environment` made."""
    pairs = (token.partition("=") for token in shlex.split(text))
    return {name: value for name, _, value in pairs}


def running_pid(data: DataFolder) -> int | None:
    """Process id of the platform that runs in the folder, or None."""
    if not data.lock.exists():
        return None
    with suppress(Timeout), FileLock(data.lock).acquire(timeout=0):
        return None
    with suppress(OSError, ValueError):
        pid = int(data.pid.read_text())
        return pid if psutil.pid_exists(pid) else None
    return None


@contextmanager
def owned(data: DataFolder, pid: int) -> Iterator[None]:
    """Holds the data folder for this process.

    Raises:
        PlatformError: another platform runs in it.
    """
    lock = FileLock(data.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        owner = running_pid(data)
        raise PlatformError(
            f"a platform already runs in {data.root}"
            + (f" (pid {owner})" if owner else "")
            + ": stop it with `make down`, or give another --data-dir"
        ) from error
    try:
        write_private(data.pid, f"{pid}\n")
        yield
    finally:
        data.pid.unlink(missing_ok=True)
        lock.release()
