"""kubectl, for the people who use the platform; no part of it needs it."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop, assets_folder, keep_only, release_entry
from imagerift_local.provision.downloads import KUBERNETES
from imagerift_local.provision.routes import Provision, Route, binary_version, first_found, on_path
from imagerift_local.provision.routes import dotted as dotted_version

DEBIAN_KEY = "1.20.2-debian12"


def provision_kubectl(workshop: Workshop) -> Provision:
    """Finds or fetches the program `kubectl`."""
    return first_found(
        "kubectl",
        [
            Route("PATH", lambda: _found_in(None, "PATH")),
            Route("KUBEBUILDER_ASSETS", lambda: _found_in(assets_folder(), "KUBEBUILDER_ASSETS")),
            Route("official release", lambda: _of_release(workshop)),
            workshop.cached_route("kubectl", ("kubectl",), ((DEBIAN_KEY, "1.20.2"),)),
            workshop.built_route(
                "Debian package kubernetes-client",
                part="kubectl",
                key=DEBIAN_KEY,
                version="1.20.2",
                names=("kubectl",),
                build=lambda target: _from_debian(workshop, target),
            ),
        ],
        workshop.report,
    )


def _found_in(search: str | None, source: str) -> Provision:
    binary = on_path("kubectl", search)
    version = binary_version(binary, ["version", "--client"], r"v(\d+\.\d+\.\d+)")
    return Provision(files={"kubectl": binary}, version=dotted_version(version), source=source)


def _of_release(workshop: Workshop) -> Provision:
    # The control plane's own archive holds it, when that archive could be fetched.
    binary = workshop.cache.entry("kubernetes", release_entry(KUBERNETES)) / "kubectl"
    if not binary.exists():
        raise RouteUnavailableError("the control plane is not from the official release")
    return Provision({"kubectl": binary}, KUBERNETES.version, "official release")


def _from_debian(workshop: Workshop, target: Path) -> None:
    workshop.report("unpacking Debian's kubernetes-client")
    workshop.debian.unpack(["kubernetes-client"], target)
    keep_only(target, {"kubectl": target / "usr" / "bin" / "kubectl"})
