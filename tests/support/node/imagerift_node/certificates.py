"""Certificates and kubeconfigs of the node's own programs, beside those of the control plane."""

from __future__ import annotations

from dataclasses import dataclass

from imagerift_local.kubeconfig import write_certificate_kubeconfig
from imagerift_local.pki import ControlPlanePki, KeyPair, Leaf, ensure_leaf, ensure_pki
from imagerift_local.ports import LOOPBACK

from imagerift_node.layout import KUBERNETES_SERVICE, NODE_NAME, NodeAddresses, NodeFolder

DNS_USER = "imagerift-node-names"


@dataclass(frozen=True)
class NodePki:
    """Every certificate of the cluster of one node."""

    control_plane: ControlPlanePki
    kubelet: KeyPair
    kubelet_server: KeyPair
    kubelet_caller: KeyPair
    proxy: KeyPair
    scheduler: KeyPair
    names: KeyPair


def ensure_node_pki(data: NodeFolder, addresses: NodeAddresses) -> NodePki:
    """Makes what is missing; the kubelet is known by the name that the node authorizer wants."""
    folder = data.control_plane.pki
    pki = ensure_pki(folder, (LOOPBACK, addresses.node, KUBERNETES_SERVICE))

    def leaf(name: str, common_name: str, organization: str | None = None) -> KeyPair:
        return ensure_leaf(folder, pki.authority, Leaf(name, common_name, organization))

    return NodePki(
        control_plane=pki,
        kubelet=leaf("kubelet", f"system:node:{NODE_NAME}", "system:nodes"),
        kubelet_server=ensure_leaf(
            folder,
            pki.authority,
            Leaf("kubelet-server", NODE_NAME, addresses=(addresses.node,), names=(NODE_NAME,)),
        ),
        kubelet_caller=leaf("kubelet-caller", "kube-apiserver-kubelet-client", "system:masters"),
        proxy=leaf("kube-proxy", "system:kube-proxy"),
        scheduler=leaf("scheduler", "system:kube-scheduler"),
        names=leaf("names", DNS_USER),
    )


def write_kubeconfigs(data: NodeFolder, pki: NodePki, server: str) -> None:
    """One kubeconfig for each program, and the administrator's."""
    for user, pair in (
        ("admin", pki.control_plane.admin),
        ("controller-manager", pki.control_plane.controller_manager),
        ("kubelet", pki.kubelet),
        ("kube-proxy", pki.proxy),
        ("scheduler", pki.scheduler),
        ("names", pki.names),
    ):
        write_certificate_kubeconfig(
            data.control_plane.kubeconfig(user),
            server=server,
            authority=pki.control_plane.authority.certificate,
            user=user,
            pair=pair,
        )
