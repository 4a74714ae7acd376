"""Chromium, for the tests of the pages: from PATH or Debian's package."""

from __future__ import annotations

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    first_found,
    on_path,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium draws no letters without a font, and Debian's package brings none.
PACKAGES = ("chromium", "fonts-dejavu-core")
_VERSION = r"(\d+\.\d+\.\d+)"


def provision_chromium(workshop: Workshop) -> Provision:
    """Finds or installs the program `chromium`."""

    def install() -> Provision:
        workshop.report("installing Debian's chromium")
        workshop.debian.install(PACKAGES)
        return _found_on_path()

    return first_found(
        "Chromium",
        [Route("PATH", _found_on_path), Route("Debian package", install)],
        workshop.report,
    )


def _found_on_path() -> Provision:
    for name in NAMES:
        try:
            binary = on_path(name)
        except RouteUnavailableError:
            continue
        version = dotted(binary_version(binary, ["--version"], _VERSION))
        return Provision(files={"chromium": binary}, version=version, source="PATH")
    raise RouteUnavailableError(f"none of {', '.join(NAMES)} is on PATH")
