"""Takes each guard out of a copy of the checkout, and shows that its tests turn red there.

`python -m tests.guards [PART OF A NAME …]` prints a line a guard, and ends with 1 where a suite
stayed green without its guard.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("guards.toml")
PACKAGES = ("contract", "core", "api", "operator", "client", "local")
FAILED_TESTS = 1
SECONDS = 900


@dataclass(frozen=True)
class Guard:
    """A piece of code, what stands in its place without it, and the tests that must notice."""

    invariant: int
    name: str
    file: str
    guard: str
    without: str
    tests: list[str]
    platform: bool = False
    models: bool = False

    def take_out(self, copy: Path) -> None:
        """Raises `LookupError` where the code is not there exactly once."""
        path = copy / self.file
        text = path.read_text()
        if text.count(self.guard) != 1:
            raise LookupError(f"{self.file} holds the guard {text.count(self.guard)} times")
        path.write_text(text.replace(self.guard, self.without))

    def command(self, models_python: str) -> list[str]:
        if self.models:
            options = ["-c", "triton_models/pytest.ini", "--rootdir", ".", "-p", "no:cacheprovider"]
            place = ["--confcutdir", "tests/unit/vision"]
            return [models_python, "-m", "pytest", "-qx", *options, *place, *self.tests]
        pytest = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *self.tests]
        if self.platform:
            return [sys.executable, "-m", "tests.platform_under_test", *pytest]
        return pytest


def guards() -> list[Guard]:
    """The whole list."""
    return [Guard(**entry) for entry in tomllib.loads(LIST.read_text())["guard"]]


def copy_checkout(target: Path) -> None:
    """Copies every file that git knows, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    subprocess.run(
        [
            "tar",
            "-C",
            str(CHECKOUT),
            "--null",
            "-T",
            "-",
            "--ignore-failed-read",
            "-cf",
            "copy.tar",
        ],
        cwd=target,
        input=listed.stdout,
        check=True,
    )
    subprocess.run(["tar", "-xf", "copy.tar"], cwd=target, check=True)
    (target / "copy.tar").unlink()


def environment_of(copy: Path) -> dict[str, Any]:
    """The copy's own packages come before those of the checkout that the environment knows."""
    paths = [str(copy), *(str(copy / name) for name in PACKAGES)]
    return {**os.environ, "PYTHONPATH": ":".join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def turns_red(guard: Guard, models_python: str) -> tuple[bool, str]:
    """Whether the tests fail without the guard, and what they said last."""
    with tempfile.TemporaryDirectory(prefix="imagerift-guard-") as folder:
        copy = Path(folder)
        copy_checkout(copy)
        guard.take_out(copy)
        done = subprocess.run(
            guard.command(models_python),
            cwd=copy,
            env=environment_of(copy),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    last = lines[0] if lines else (done.stdout + done.stderr)[-300:]
    return done.returncode == FAILED_TESTS and bool(lines), last


def main() -> int:
    wanted = sys.argv[1:]
    platform = Path(sys.executable).with_name("imagerift-platform")
    found = subprocess.run([platform, "models-python"], capture_output=True, text=True, check=True)
    green = 0
    for guard in guards():
        if wanted and not any(part in guard.name for part in wanted):
            continue
        began = time.monotonic()
        red, last = turns_red(guard, found.stdout.strip())
        green += not red
        word = "red" if red else "GREEN"
        seconds = time.monotonic() - began
        sys.stdout.write(
            f"{word:5} {guard.invariant} {guard.name} ({seconds:.0f} s)\n      {last}\n"
        )
        sys.stdout.flush()
    return 1 if green else 0


if __name__ == "__main__":
    sys.exit(main())
