"""Certificates and kubeconfigs of the node's own programs, beside those of the control plane."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from imagerift_local.kubeconfig import cluster_of, holder_of, write_kubeconfig
from imagerift_local.pki import ControlPlanePki, KeyPair, ensure_leaf, ensure_pki
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
    pki = ensure_pki(data.control_plane.pki, (LOOPBACK, addresses.node, KUBERNETES_SERVICE))
    leaf = partial(ensure_leaf, pki.authority)
    return NodePki(
        control_plane=pki,
        kubelet=leaf("kubelet", user=f"system:node:{NODE_NAME}", group="system:nodes"),
        kubelet_server=leaf(
            "kubelet-server", user=NODE_NAME, identities=(addresses.node, NODE_NAME)
        ),
        kubelet_caller=leaf(
            "kubelet-caller", user="kube-apiserver-kubelet-client", group="system:masters"
        ),
        proxy=leaf("kube-proxy", user="system:kube-proxy"),
        scheduler=leaf("scheduler", user="system:kube-scheduler"),
        names=leaf("names", user=DNS_USER),
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
        write_kubeconfig(
            data.control_plane.kubeconfig(user),
            cluster=cluster_of(server, pki.control_plane.authority.certificate),
            user=user,
            credentials=holder_of(pair),
        )
