"""Chromium, for the tests of the pages: from PATH or Debian's package, unpacked."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import SUITE
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    on_path,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium draws no letters without a font, and Debian's package brings none.
PACKAGES = ("chromium", "fonts-dejavu-core")
# It finds all that it loads below its own root: libraries, fonts and their settings.
LAUNCHER = """\
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
libraries=$root/usr/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$libraries:$root/lib/x86_64-linux-gnu:$libraries/nss:$libraries/pulseaudio
FONTCONFIG_PATH=$root/etc/fonts
XDG_DATA_HOME=$root/usr/share
export LD_LIBRARY_PATH FONTCONFIG_PATH XDG_DATA_HOME
exec "$root/usr/lib/chromium/chromium" "$@"
"""
_VERSION = r"(\d+\.\d+\.\d+)"


def provision_chromium(workshop: Workshop) -> Provision:
    """Finds or unpacks the program `chromium`."""

    def build(target: Path) -> None:
        workshop.report("unpacking Debian's chromium")
        workshop.debian.unpack(PACKAGES, target / "root", dependencies=True)
        launcher = target / "chromium"
        launcher.write_text(LAUNCHER)
        launcher.chmod(0o755)
        binary_version(launcher, ["--version"], _VERSION)

    unpacked = workshop.built_route(
        "Debian package",
        part="chromium",
        key=SUITE,
        version=SUITE,
        names=("chromium",),
        build=build,
    )
    return workshop.first_found("chromium", [Route("PATH", _found_on_path), unpacked])


def _found_on_path() -> Provision:
    for name in NAMES:
        try:
            binary = on_path(name)
        except RouteUnavailableError:
            continue
        version = dotted(binary_version(binary, ["--version"], _VERSION))
        return Provision(files={"chromium": binary}, version=version, source="PATH")
    raise RouteUnavailableError(f"none of {', '.join(NAMES)} is on PATH")
