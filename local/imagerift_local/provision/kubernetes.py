"""kube-apiserver and kube-controller-manager, always both of one version; the node's programs."""

from __future__ import annotations

import shutil
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop, assets_folder, keep_only, release_entry
from imagerift_local.provision.downloads import KUBERNETES
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    first_found,
    on_path,
)

DEBIAN_VERSION = "1.20.2"
DEBIAN_KEY = f"{DEBIAN_VERSION}-debian12"
NAMES = ("kube-apiserver", "kube-controller-manager")
NODE_NAMES = ("kube-scheduler", "kubelet", "kube-proxy", "pause")
OLDEST = (1, 20)
BUILD_SCRIPT = Path(__file__).with_name("build_kubernetes.sh")


def provision_kubernetes(workshop: Workshop) -> Provision:
    """Finds, fetches or builds the control plane's programs."""
    return first_found(
        "Kubernetes",
        [
            Route("PATH", lambda: _found_in(None, "PATH")),
            Route("KUBEBUILDER_ASSETS", lambda: _found_in(assets_folder(), "KUBEBUILDER_ASSETS")),
            workshop.cached_route(
                "kubernetes",
                NAMES,
                ((release_entry(KUBERNETES), KUBERNETES.version), (DEBIAN_KEY, DEBIAN_VERSION)),
            ),
            workshop.release_route(KUBERNETES),
            workshop.built_route(
                "Debian's source package",
                part="kubernetes",
                key=DEBIAN_KEY,
                version=DEBIAN_VERSION,
                names=NAMES,
                build=lambda target: _from_debian_source(workshop, target, NAMES),
            ),
        ],
        workshop.report,
    )


def provision_node_kubernetes(workshop: Workshop) -> Provision:
    """Control plane and node programs of the one version that all of them can be built of.

    Raises:
        PlatformError: they cannot be built on this machine.
    """
    control_plane = _built("kubernetes", NAMES, workshop)
    node = _built("kubernetes-node", NODE_NAMES, workshop)
    return Provision({**control_plane.files, **node.files}, DEBIAN_VERSION, node.source)


def _built(part: str, names: tuple[str, ...], workshop: Workshop) -> Provision:
    return first_found(
        f"{', '.join(names)}",
        [
            workshop.cached_route(part, names, ((DEBIAN_KEY, DEBIAN_VERSION),)),
            workshop.built_route(
                "Debian's source package",
                part=part,
                key=DEBIAN_KEY,
                version=DEBIAN_VERSION,
                names=names,
                build=lambda target: _from_debian_source(workshop, target, names),
            ),
        ],
        workshop.report,
    )


def _found_in(search: str | None, source: str) -> Provision:
    files = {name: on_path(name, search) for name in NAMES}
    versions = {
        binary_version(path, ["--version"], r"Kubernetes v(\d+\.\d+\.\d+)")
        for path in files.values()
    }
    if len({version[:2] for version in versions}) != 1:
        raise RouteUnavailableError("the API server and the controller manager differ in version")
    version = max(versions)
    if version < OLDEST:
        raise RouteUnavailableError(f"{dotted(version)} is older than {dotted(OLDEST)}")
    return Provision(files=files, version=dotted(version), source=source)


def _from_debian_source(workshop: Workshop, target: Path, names: tuple[str, ...]) -> None:
    workshop.report(f"building {', '.join(names)} from Debian's source, 3 to 4 minutes on 2 cores")
    workshop.debian.update()
    scratch = target / "scratch"
    try:
        run_logged(
            ["nice", "bash", str(BUILD_SCRIPT), str(scratch), str(target / "out"), *names],
            log=workshop.log("kubernetes"),
            report=workshop.report,
            environment=workshop.debian.environment,
        )
        keep_only(target, {name: target / "out" / name for name in names})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
