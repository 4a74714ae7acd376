"""Shared libraries that a program misses on this machine, put into a folder beside it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import ask
from imagerift_local.provision.debian import Debian

# The folder beside a program.
FOLDER = "debian-libraries"
PACKAGE_OF_LIBRARY: Mapping[str, str] = tomllib.loads(
    Path(__file__).with_name("libraries.toml").read_text()
)


def library_environment(program: Path) -> dict[str, str]:
    """What the environment of a program needs for the libraries beside it; often nothing."""
    beside = program.parent / FOLDER
    return {"LD_LIBRARY_PATH": str(beside)} if beside.is_dir() else {}


def complete_libraries(
    debian: Debian, programs: Sequence[Path], folder: Path, search: str = ""
) -> None:
    """Puts the libraries that the programs miss, and what those need, into `folder`.

    `search` is what else the LD_LIBRARY_PATH will hold. A machine that has everything gets no
    folder, and what it has wins over nothing of the pinned release.

    Raises:
        RouteUnavailableError: a library is missing and no package is known to bring it.
    """
    path = f"{folder}:{search}" if search else str(folder)
    missing = missing_libraries(programs, path)
    if not missing:
        return
    unknown = missing - PACKAGE_OF_LIBRARY.keys()
    if unknown:
        names = ", ".join(program.name for program in programs[:3])
        raise RouteUnavailableError(f"{names} needs {min(unknown)}, which this machine lacks")
    packages = {PACKAGE_OF_LIBRARY[name] for name in missing}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".packages-") as scratch:
        unpacked = Path(scratch)
        debian.unpack(sorted(packages), unpacked, dependencies=True)
        found = {entry.name: entry for entry in unpacked.rglob("*.so*") if entry.is_file()}
        folder.mkdir(exist_ok=True)
        while missing:
            for name in missing:
                if name not in found:
                    raise RouteUnavailableError(f"{programs[0]} needs {name}")
                # In one step: another process may be starting the program.
                shutil.copyfile(found[name], unpacked / "copy")
                os.replace(unpacked / "copy", folder / name)  # noqa: PTH105 (must be atomic)
            missing = missing_libraries(programs, path)


def missing_libraries(programs: Sequence[Path], search: str = "") -> frozenset[str]:
    """Names of the shared libraries that the loader cannot find for any of the programs.

    Raises:
        RouteUnavailableError: one of them is no program of this machine.
    """
    if shutil.which("ldd") is None:
        # Nobody to ask: the program itself says at its start what it misses.
        return frozenset()
    environment = {**os.environ, "LC_ALL": "C", **({"LD_LIBRARY_PATH": search} if search else {})}
    missing: set[str] = set()
    for program in programs:
        result = ask(["ldd", str(program)], environment)
        if result.returncode != 0 and "not a dynamic executable" not in result.stderr:
            raise RouteUnavailableError(f"ldd {program}: {result.stderr.strip()}")
        missing |= set(re.findall(r"^\s*(\S+) => not found", result.stdout, re.MULTILINE))
    return frozenset(missing)
