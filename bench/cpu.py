"""CPU time of the platform's parts, so that a bench can say where a machine's cores went."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import psutil

from tests.platform_under_test import PlatformUnderTest

BENCH = "bench"


@dataclass(frozen=True)
class CpuReading:
    """CPU seconds, user and system, that each part and the bench itself have used so far."""

    seconds: dict[str, float]

    def per_job(self, later: CpuReading, jobs: int) -> dict[str, float]:
        """CPU milliseconds a job by part between this reading and a later one, most first."""
        used = {
            part: (later.seconds[part] - before) * 1000 / jobs
            for part, before in self.seconds.items()
            if part in later.seconds
        }
        ordered = sorted(used.items(), key=lambda item: -item[1])
        return {part: round(value, 2) for part, value in ordered}


def read_cpu(platform: PlatformUnderTest) -> CpuReading:
    """Reads every part's process with its children, and this process."""
    parts = json.loads((platform.data / "state.json").read_text())["parts"]
    seconds = {BENCH: _seconds_of(psutil.Process(os.getpid()))}
    for name, part in parts.items():
        if part["pid"] is not None:
            root = psutil.Process(part["pid"])
            family = [root, *root.children(recursive=True)]
            seconds[name] = sum(_seconds_of(process) for process in family)
    return CpuReading(seconds)


def _seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
