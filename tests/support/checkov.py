"""Checkov, the policy scanner, in an environment of its own: its many pins clash with ours."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.provision.context import Workshop
from imagerift_local.provision.python import provision_python
from imagerift_local.provision.routes import Provision, first_found
from imagerift_local.provision.wheels import (
    REQUIREMENTS,
    create_environment,
    lock_digest,
    pinned_version,
)

LOCK = REQUIREMENTS / "policy.txt"
PROGRAM = Path("bin") / "checkov"
NAMES = ("environment", "python")


def provision_checkov(workshop: Workshop) -> Provision:
    """Finds or makes the environment of the program `checkov`, and the Python that runs it."""
    version = pinned_version(LOCK, "checkov")
    python = provision_python(workshop)
    key = f"{version}-{lock_digest([LOCK], python)}"
    return first_found(
        "Checkov",
        [
            workshop.built_route(
                "Python packages",
                part="checkov",
                key=key,
                version=version,
                names=NAMES,
                build=lambda target: _build(workshop, python, target),
            ),
        ],
        workshop.report,
    )


def _build(workshop: Workshop, python: Provision, target: Path) -> None:
    workshop.report("fetching the policy scanner's Python packages")
    log = workshop.log("checkov")
    create_environment(workshop.uv, python, [["-r", str(LOCK)]], target / "environment", log)
