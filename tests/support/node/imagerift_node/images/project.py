"""The project's own parts: their version, and wheels of them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.wheels import uv_environment
from imagerift_local.settings import CHECKOUT

# What a build leaves beside the sources.
LEFT_BY_BUILDS = ("__pycache__", "*.egg-info", "build", "dist")


def project_version() -> str:
    """The version of every part, which is the tag of the images."""
    return (CHECKOUT / "VERSION").read_text().strip()


def build_wheels(uv: Path, parts: Sequence[str], target: Path, log: Path) -> list[Path]:
    """Builds a wheel of each part (its folder in the checkout) into the folder `target`.

    They are built from copies, with the setuptools of this environment and no network.

    Raises:
        RouteUnavailableError: a build fails.
    """
    for part in parts:
        source = target / "sources" / part
        shutil.copytree(CHECKOUT / part, source, ignore=shutil.ignore_patterns(*LEFT_BY_BUILDS))
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
