"""Checkov, the policy scanner, in an environment of its own: its many pins clash with ours."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.provision.context import Workshop
from imagerift_local.provision.routes import Provision, first_found
from imagerift_local.provision.wheels import (
    REQUIREMENTS,
    create_environment,
    lock_digest,
    pinned_version,
)

LOCK = REQUIREMENTS / "policy.txt"
PROGRAM = Path("bin") / "checkov"


def provision_checkov(workshop: Workshop) -> Provision:
    """Finds or makes the environment of the program `checkov`."""
    version = pinned_version(LOCK, "checkov")
    key = f"{version}-{lock_digest([LOCK])}"
    return first_found(
        "Checkov",
        [
            workshop.cached_route("checkov", ("environment",), ((key, version),)),
            workshop.built_route(
                "Python packages",
                part="checkov",
                key=key,
                version=version,
                names=("environment",),
                build=lambda target: _build(workshop, target),
            ),
        ],
        workshop.report,
    )


def _build(workshop: Workshop, target: Path) -> None:
    workshop.report("fetching the policy scanner's Python packages")
    create_environment(
        workshop.uv, [["-r", str(LOCK)]], target / "environment", workshop.log("checkov")
    )
