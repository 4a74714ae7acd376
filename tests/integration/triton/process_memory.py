"""What a server and its model processes hold, by the kernel's own accounts."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class ProcessMemory:
    """One process. Sizes in MB."""

    name: str
    """`tritonserver`, or the model whose code runs in it."""
    held: float
    """Its proportional set: what it shares with others is divided between them."""
    peak: float
    """The most it had resident since `forget_peaks`, or since its start."""


def memory_of(server: int) -> list[ProcessMemory]:
    """The server's processes, by name."""
    found = []
    for process in _family(server):
        with contextlib.suppress(*_GONE):
            held = _field(process, "smaps_rollup", "Pss:")
            peak = _field(process, "status", "VmHWM:")
            found.append(ProcessMemory(_name_of(process, server), held, peak))
    return sorted(found, key=lambda one: one.name)


def forget_peaks(server: int) -> None:
    """Start the peaks anew from what is resident now."""
    for process in _family(server):
        with contextlib.suppress(*_GONE):
            Path(f"/proc/{process}/clear_refs").write_text("5")


def _family(process: int) -> list[int]:
    found = [process]
    with contextlib.suppress(*_GONE):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    return found


def _field(process: int, file: str, name: str) -> float:
    for line in Path(f"/proc/{process}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"{process} has ended")


def _name_of(process: int, server: int) -> str:
    if process == server:
        return "tritonserver"
    command = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
    return next((Path(part).parts[-3] for part in command if part.endswith("model.py")), "?")
