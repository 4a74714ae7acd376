"""Checkov, the policy scanner, in an environment of its own: its many pins clash with ours."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.provision.context import Workshop
from imagerift_local.provision.python import provision_environment
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.wheels import (
    REQUIREMENTS,
    create_environment,
    pinned_version,
)

LOCK = REQUIREMENTS / "policy.txt"
PROGRAM = Path("bin") / "checkov"
NAMES = ("environment", "python")


def provision_checkov(workshop: Workshop) -> Provision:
    """Finds or makes the environment of the program `checkov`, and the Python that runs it."""
    return provision_environment(
        workshop,
        "checkov",
        version=pinned_version(LOCK, "checkov"),
        locks=[LOCK],
        names=NAMES,
        build=_build,
    )


def _build(workshop: Workshop, python: Provision, target: Path) -> None:
    workshop.report("fetching the policy scanner's Python packages")
    log = workshop.log("checkov")
    create_environment(workshop.uv, python, [["-r", str(LOCK)]], target / "environment", log)
