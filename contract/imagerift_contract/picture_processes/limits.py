"""What a process may take that reads one picture."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

_PAGES = Path("/proc/self/statm")


@dataclass(frozen=True)
class Limits:
    """Of one picture."""

    cpu_seconds: int
    memory_bytes: int
    """Of address space, on top of what the process has before it sees the picture."""
    result_bytes: int
    """Of pixels or whatever else it leaves in the shared file."""
    wall_seconds: float
    """A machine may be busy: what ends here says nothing of the picture."""
    niceness: int = 0

    def bind_this_process(self) -> None:
        """From here on the kernel holds this process to them, whatever a decoder is at."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if _PAGES.exists():
            now = int(_PAGES.read_text().split()[0]) * resource.getpagesize()
            _bound(resource.RLIMIT_AS, now + self.memory_bytes)
        _bound(resource.RLIMIT_FSIZE, self.result_bytes)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _bound(resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime) + self.cpu_seconds)
        if self.niceness:
            os.nice(self.niceness)


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, hard))
