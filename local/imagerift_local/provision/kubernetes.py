"""kube-apiserver and kube-controller-manager, always both of one version; the node's programs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop, assets_folder, keep_only
from imagerift_local.provision.downloads import KUBERNETES, KUBERNETES_NODE
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    on_path,
)

DEBIAN_VERSION = "1.20.2"
DEBIAN_KEY = f"{DEBIAN_VERSION}-debian12"
NAMES = ("kube-apiserver", "kube-controller-manager")
NODE_NAMES = ("kube-scheduler", "kubelet", "kube-proxy")
PAUSE, PAUSE_VERSION = "pause", "1"
OLDEST = (1, 20)
# The last one whose kubelet works with containerd 1, which Debian has.
NEWEST_NODE = (1, 35)
BUILD_SCRIPT = Path(__file__).with_name("build_kubernetes.sh")


def provision_kubernetes(workshop: Workshop) -> Provision:
    """Finds, fetches or builds the control plane's programs."""
    return workshop.first_found(
        "kubernetes",
        "Kubernetes",
        [
            Route("PATH", lambda: _found_in(None, "PATH", NAMES)),
            Route(
                "KUBEBUILDER_ASSETS",
                lambda: _found_in(assets_folder(), "KUBEBUILDER_ASSETS", NAMES),
            ),
            workshop.release_route(KUBERNETES, otherwise=DEBIAN_KEY),
            workshop.cached_route("kubernetes", NAMES, ((DEBIAN_KEY, DEBIAN_VERSION),)),
            _built("kubernetes", NAMES, workshop),
        ],
    )


def provision_node_kubernetes(workshop: Workshop) -> Provision:
    """Control plane and node programs, all of one minor version, and the program `pause`.

    Raises:
        PlatformError: they cannot be had on this machine.
    """
    names = (*NAMES, *NODE_NAMES)

    def found_in(search: str | None, source: str) -> Provision:
        found = _found_in(search, source, names)
        version = tuple(int(number) for number in found.version.split("."))
        if version[:2] > NEWEST_NODE:
            raise RouteUnavailableError(
                f"a kubelet {found.version} needs containerd 2: {dotted(NEWEST_NODE)} is the newest"
            )
        return found

    def from_debian() -> Provision:
        control_plane = _built("kubernetes", NAMES, workshop).attempt()
        node = _built("kubernetes-node", (*NODE_NAMES, PAUSE), workshop).attempt()
        return Provision({**control_plane.files, **node.files}, node.version, node.source)

    programs = workshop.first_found(
        "kubernetes",
        "Kubernetes with the programs of a node",
        [
            Route("PATH", lambda: found_in(None, "PATH")),
            Route("KUBEBUILDER_ASSETS", lambda: found_in(assets_folder(), "KUBEBUILDER_ASSETS")),
            workshop.release_route(KUBERNETES_NODE, otherwise=DEBIAN_KEY),
            Route("Debian's source package", from_debian, DEBIAN_VERSION),
        ],
    )
    if PAUSE in programs.files:
        return programs
    return replace(programs, files={**programs.files, PAUSE: _pause(workshop)})


def _pause(workshop: Workshop) -> Path:
    """The program that holds a pod's namespaces open; it is of no version of Kubernetes."""
    found = workshop.first_found(
        "pause",
        "the program `pause`",
        [
            workshop.cached_route("kubernetes-node", (PAUSE,), ((DEBIAN_KEY, PAUSE_VERSION),)),
            _built("pause", (PAUSE,), workshop, PAUSE_VERSION),
        ],
    )
    return found.files[PAUSE]


def _built(
    part: str, names: tuple[str, ...], workshop: Workshop, version: str = DEBIAN_VERSION
) -> Route:
    return workshop.built_route(
        "Debian's source package",
        part=part,
        key=DEBIAN_KEY,
        version=version,
        names=names,
        build=lambda target: _from_debian_source(workshop, target, names),
    )


def _found_in(search: str | None, source: str, names: tuple[str, ...]) -> Provision:
    files = {name: on_path(name, search) for name in names}
    versions = {
        name: binary_version(path, ["--version"], r"Kubernetes v(\d+\.\d+\.\d+)")
        for name, path in files.items()
    }
    if len({version[:2] for version in versions.values()}) != 1:
        listed = ", ".join(f"{name} {dotted(version)}" for name, version in versions.items())
        raise RouteUnavailableError(f"the programs differ in version: {listed}")
    # The node's settings are those that the oldest of them knows.
    version = min(versions.values())
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
