"""Kubernetes with the programs of a node, all of one minor version, and the program `pause`."""

from __future__ import annotations

from dataclasses import replace

from imagerift_local.provision.context import Workshop
from imagerift_local.provision.downloads import KUBERNETES as RELEASE
from imagerift_local.provision.programs import KUBERNETES, registry_route, routes
from imagerift_local.provision.routes import Provision, Route

PART = "kubernetes-node"
NODE_NAMES = ("kube-scheduler", "kubelet", "kube-proxy")
PAUSE = "pause"
NAMES = (*KUBERNETES.names, *NODE_NAMES)
NODE_KUBERNETES = replace(
    KUBERNETES,
    title="Kubernetes with the programs of a node",
    names=NAMES,
    # The last one whose kubelet works with containerd 1, which Debian has.
    newest=((1, 35), "needs containerd 2 for its kubelet"),
    release=replace(
        RELEASE, part=PART, members={name: f"kubernetes/server/bin/{name}" for name in NAMES}
    ),
)


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
    *others, _ = routes(NODE_KUBERNETES, workshop)
    programs = workshop.first_found(
        KUBERNETES.part,
        NODE_KUBERNETES.title,
        [*others, Route(registry.title, from_source, registry.version)],
    )
    if PAUSE in programs.files:
        return programs
    # It holds a pod's namespaces open, and is of no version of Kubernetes.
    part = PART if workshop.cache.has(PART, registry.key) else PAUSE
    pause = workshop.first_found(PAUSE, f"the program `{PAUSE}`", [built(part, PAUSE)])
    return replace(programs, files={**programs.files, **pause.files})
