"""The ways to get a part, tried in order."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import ask


@dataclass(frozen=True)
class Provision:
    """A part that is there: its files by name, its version and where it was found."""

    files: Mapping[str, Path]
    version: str
    source: str


@dataclass(frozen=True)
class Route:
    """One way to get a part; `attempt` raises RouteUnavailableError when it leads nowhere.

    `version` is what it leads to, where that is known before it is tried.
    """

    name: str
    attempt: Callable[[], Provision]
    version: str | None = None


def binary_version(binary: Path, arguments: Sequence[str], pattern: str) -> tuple[int, ...]:
    """The version that a program prints, as numbers.

    Raises:
        RouteUnavailableError: the program does not run, or prints something else.
    """
    result = ask([str(binary), *arguments])
    match = re.search(pattern, result.stdout + result.stderr)
    if result.returncode != 0 or match is None:
        raise RouteUnavailableError(f"{binary} does not print a version")
    return tuple(int(number) for number in match.group(1).split("."))


def on_path(program: str, search: str | None = None) -> Path:
    """The program of that name on `search` (default: PATH).

    Raises:
        RouteUnavailableError: there is none.
    """
    found = shutil.which(program, path=search)
    if found is None:
        raise RouteUnavailableError(f"no {program}")
    return Path(found)


def dotted(version: tuple[int, ...]) -> str:
    """`(3, 4, 23)` as `3.4.23`."""
    return ".".join(str(number) for number in version)
