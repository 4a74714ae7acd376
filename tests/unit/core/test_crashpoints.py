"""The test hook kills the process for real, once, and only where it is armed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from imagerift_core.crashpoints import CrashPoints

PROGRAM = """
import atexit, sys
from pathlib import Path
from imagerift_core.crashpoints import CrashPoints
atexit.register(print, "cleaned up")
points = CrashPoints(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
try:
    points.reach("before")
    points.reach("claim")
finally:
    print("went on")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_armed_point_kills_once(tmp_path: Path) -> None:
    (tmp_path / "claim").touch()
    killed = run(str(tmp_path))
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout == ""
    assert not (tmp_path / "claim").exists()
    again = run(str(tmp_path))
    assert again.returncode == 0
    assert again.stdout.split("\n")[:2] == ["went on", "cleaned up"]


def test_another_armed_point_kills_nobody(tmp_path: Path) -> None:
    (tmp_path / "settle").touch()
    assert run(str(tmp_path)).returncode == 0
    assert (tmp_path / "settle").exists()


def test_without_a_folder_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(os, "kill", forbidden)
    monkeypatch.setattr(Path, "unlink", forbidden)
    CrashPoints(None).reach("claim")


def test_a_folder_that_is_gone_arms_nothing(tmp_path: Path) -> None:
    CrashPoints(tmp_path / "gone").reach("claim")
