"""etcd: from PATH, KUBEBUILDER_ASSETS, an official release or Debian's package."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop, assets_folder, keep_only
from imagerift_local.provision.downloads import ETCD
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    on_path,
)

DEBIAN_KEY = "3.4-debian12"
OLDEST = (3, 4)


def provision_etcd(workshop: Workshop) -> Provision:
    """Finds or fetches the program `etcd`."""
    return workshop.first_found(
        "etcd",
        "etcd",
        [
            Route("PATH", lambda: _found_in(None, "PATH")),
            Route("KUBEBUILDER_ASSETS", lambda: _found_in(assets_folder(), "KUBEBUILDER_ASSETS")),
            workshop.release_route(ETCD, otherwise=DEBIAN_KEY),
            workshop.cached_route("etcd", ("etcd",), ((DEBIAN_KEY, "3.4"),)),
            workshop.built_route(
                "Debian package etcd-server",
                part="etcd",
                key=DEBIAN_KEY,
                version="3.4",
                names=("etcd",),
                build=lambda target: _from_debian(workshop, target),
            ),
        ],
    )


def _found_in(search: str | None, source: str) -> Provision:
    binary = on_path("etcd", search)
    version = binary_version(binary, ["--version"], r"etcd Version: (\d+\.\d+\.\d+)")
    if version < OLDEST:
        raise RouteUnavailableError(f"{binary} is {dotted(version)}, older than {dotted(OLDEST)}")
    return Provision(files={"etcd": binary}, version=dotted(version), source=source)


def _from_debian(workshop: Workshop, target: Path) -> None:
    # Unpacked, not installed: the installed package would start a server of its own.
    workshop.report("unpacking Debian's etcd-server")
    workshop.debian.unpack(["etcd-server"], target)
    keep_only(target, {"etcd": target / "usr" / "bin" / "etcd"})
