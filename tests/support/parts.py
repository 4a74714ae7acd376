"""The parts that install by themselves: what each declares, and the client installed alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.wheels import REQUIREMENTS, find_uv, uv_environment
from imagerift_local.settings import CHECKOUT, PlatformSettings
from imagerift_node.images.build import ignored

PARTS = sorted(path.parent.name for path in CHECKOUT.glob("*/pyproject.toml"))
REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


def uv() -> Path:
    return find_uv(PlatformSettings().cache_dir)


def project(part: str) -> dict[str, Any]:
    """The `[project]` table of a part."""
    table: dict[str, Any] = tomllib.loads((CHECKOUT / part / "pyproject.toml").read_text())
    return dict(table["project"])


def requirements(part: str) -> set[str]:
    """Names of the distributions that a part asks for itself."""
    names = (REQUIREMENT.match(line) for line in project(part)["dependencies"])
    return {name.group() for name in names if name}


def parts_with(part: str) -> set[str]:
    """A part and the other parts that it asks for, directly or not."""
    named = {project(other)["name"]: other for other in PARTS}
    asked = {named[name] for name in requirements(part) if name in named}
    return {part}.union(*(parts_with(other) for other in asked))


def build_wheels(uv: Path, parts: Sequence[str], target: Path, log: Path) -> list[Path]:
    """Builds a wheel of each part (its folder in the checkout) into the folder `target`.

    They are built from copies, with the setuptools of this environment and no network.

    Raises:
        RouteUnavailableError: a build fails.
    """
    for part in parts:
        source = target / "sources" / part
        shutil.copytree(CHECKOUT / part, source, ignore=shutil.ignore_patterns(*ignored()))
        run_logged(
            [
                *(str(uv), "build", "--wheel", "--quiet", "--offline", "--no-build-isolation"),
                *("--python", sys.executable, "--out-dir", str(target), str(source)),
            ],
            log=log,
            environment=uv_environment(),
        )
    shutil.rmtree(target / "sources")
    return sorted(target.glob("*.whl"))


def install_client_alone(folder: Path) -> Path:
    """Makes an environment of the client's wheel and its lock, and nothing else; its `bin`."""
    environment = folder / "environment"
    (wheel,) = build_wheels(uv(), ["client"], folder / "wheels", folder / "log")
    lock = REQUIREMENTS / "client.txt"
    python = ["--python", str(environment)]
    for command in (
        ["venv", "--python", sys.executable, str(environment)],
        ["pip", "install", *python, "--require-hashes", "-r", str(lock)],
        ["pip", "install", *python, "--no-deps", str(wheel)],
    ):
        subprocess.run([str(uv()), "--quiet", *command], env=uv_environment(), check=True)
    return environment / "bin"
