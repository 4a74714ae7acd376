"""Kubernetes with the programs of a node, all of one minor version, and the program `pause`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from imagerift_local.data_versions import minor_version
from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.programs import PROGRAMS, registry_route, routes
from imagerift_local.provision.routes import Provision, Route, dotted

PART = "kubernetes-node"
NODE_NAMES = ("kube-scheduler", "kubelet", "kube-proxy")
PAUSE = "pause"
# The last one whose kubelet works with containerd 1, which Debian has.
NEWEST = (1, 35)
KUBERNETES = PROGRAMS["kubernetes"]
NAMES = (*KUBERNETES.names, *NODE_NAMES)
RELEASE = KUBERNETES.release and replace(
    KUBERNETES.release,
    part=PART,
    members={name: f"kubernetes/server/bin/{name}" for name in NAMES},
)
NODE_KUBERNETES = replace(KUBERNETES, names=NAMES, release=RELEASE)


def provision_node_kubernetes(workshop: Workshop) -> Provision:
    """Finds, fetches or builds the control plane's and the node's programs.

    Raises:
        PlatformError: they cannot be had on this machine.
    """

    def built(part: str, *names: str) -> Route:
        return registry_route(replace(KUBERNETES, part=part, names=names), workshop)

    def from_source() -> Provision:
        control_plane = built(KUBERNETES.part, *KUBERNETES.names).attempt()
        node = built(PART, *NODE_NAMES, PAUSE).attempt()
        return Provision({**control_plane.files, **node.files}, node.version, node.source)

    registry = KUBERNETES.registry
    *others, _ = [
        replace(route, attempt=partial(_old_enough, route))
        for route in routes(NODE_KUBERNETES, workshop)
    ]
    built_here = Route(registry.title, from_source, registry.version)
    programs = workshop.first_found(KUBERNETES.part, [*others, built_here])
    if PAUSE in programs.files:
        return programs
    # It holds a pod's namespaces open, and is of no version of Kubernetes.
    part = PART if workshop.cache.has(PART, registry.key) else PAUSE
    pause = workshop.first_found(PAUSE, [built(part, PAUSE)])
    return replace(programs, files={**programs.files, **pause.files})


def _old_enough(route: Route) -> Provision:
    found = route.attempt()
    if minor_version(found.version) > NEWEST:
        raise RouteUnavailableError(
            f"{found.version} needs containerd 2 for its kubelet: {dotted(NEWEST)} is the newest"
            " that can be used"
        )
    return found
