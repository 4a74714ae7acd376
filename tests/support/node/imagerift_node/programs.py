"""Command lines and settings files of the node's programs: plain functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagerift_local import parts
from imagerift_local.ports import LOOPBACK, Ports

from imagerift_node.certificates import NodePki
from imagerift_node.layout import (
    CLUSTER_DOMAIN,
    CONTAINERD_SOCKET,
    NODE_NAME,
    POD_RANGE,
    NodeAddresses,
    NodeFolder,
)

PAUSE_IMAGE = "docker.io/imagerift/pause:1"
KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256
SCHEDULER_PORT = 10259
CONTAINERD_ENDPOINT = f"unix://{CONTAINERD_SOCKET}"
# First versions of the kubelet that run no containers themselves; that are told the container
# runtime in their settings; and that can refuse control groups of version 1.
REMOTE_RUNTIME_ALONE = (1, 24)
ENDPOINT_IS_A_SETTING = (1, 27)
MAY_REFUSE_CGROUP_V1 = (1, 31)
# Controllers of clouds, and of pod ranges that a single node does not need.
UNUSED_CONTROLLERS = ("nodeipam", "route", "service", "cloud-node-lifecycle", "ttl")


def build_apiserver_command(
    binary: Path, ports: Ports, pki: NodePki, addresses: NodeAddresses
) -> list[str]:
    """The embedded platform's API server, open to the node's network and able to call kubelets.

    The last value of a flag wins, but values of --authorization-mode add up.
    """
    return [
        *parts.build_command("kube-apiserver", binary, ports=ports, pki=pki.control_plane),
        "--bind-address=0.0.0.0",
        f"--advertise-address={addresses.node}",
        "--endpoint-reconciler-type=lease",
        "--authorization-mode=Node",
        "--enable-admission-plugins=NodeRestriction",
        # The node's name is in no DNS.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={pki.kubelet_caller.certificate}",
        f"--kubelet-client-key={pki.kubelet_caller.key}",
        f"--kubelet-certificate-authority={pki.control_plane.authority.certificate}",
    ]


def build_scheduler_command(
    binary: Path, version: tuple[int, ...], kubeconfig: Path, pki: NodePki
) -> list[str]:
    """kube-scheduler, the only one."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={SCHEDULER_PORT}",
        f"--tls-cert-file={pki.control_plane.apiserver.certificate}",
        f"--tls-private-key-file={pki.control_plane.apiserver.key}",
        "--leader-elect=false",
        "--profiling=false",
        *parts.closed_insecure_port(version),
    ]


def build_kubelet_command(
    binary: Path,
    version: tuple[int, ...],
    data: NodeFolder,
    addresses: NodeAddresses,
    settings: Path,
) -> list[str]:
    """kubelet, with everything it writes in the data folder."""
    command = [
        str(binary),
        f"--config={settings}",
        f"--kubeconfig={data.control_plane.kubeconfig('kubelet')}",
        f"--root-dir={data.kubelet}",
        f"--cert-dir={data.kubelet / 'pki'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={addresses.node}",
    ]
    if version < ENDPOINT_IS_A_SETTING:
        command.append(f"--container-runtime-endpoint={CONTAINERD_ENDPOINT}")
    if version < REMOTE_RUNTIME_ALONE:
        command.append("--container-runtime=remote")
    return command


def kubelet_settings(
    data: NodeFolder,
    pki: NodePki,
    addresses: NodeAddresses,
    version: tuple[int, ...],
    *,
    cgroup_v1: bool,
) -> dict[str, Any]:
    """KubeletConfiguration; a kubelet refuses fields that its version does not know.

    `cgroup_v1`: this machine's control groups are of version 1.
    """
    settings: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": addresses.node,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.control_plane.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki.kubelet_server.certificate),
        "tlsPrivateKeyFile": str(pki.kubelet_server.key),
        "readOnlyPort": 0,
        "healthzBindAddress": LOOPBACK,
        "healthzPort": KUBELET_HEALTH_PORT,
        "clusterDNS": [addresses.node],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(data.settings / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        # Without CAP_SYS_RESOURCE a program cannot make itself less likely to be killed.
        "oomScoreAdj": 0,
        # Disk and memory are this machine's: what others fill must not throw pods out.
        "evictionHard": dict.fromkeys(
            ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"
        ),
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": str(data.kubelet / "plugins-exec"),
        "rotateCertificates": False,
    }
    if version >= ENDPOINT_IS_A_SETTING:
        settings["containerRuntimeEndpoint"] = CONTAINERD_ENDPOINT
    if cgroup_v1 and version >= MAY_REFUSE_CGROUP_V1:
        # From 1.35 on it would not start.
        settings["failCgroupV1"] = False
    return settings


def build_proxy_command(binary: Path, settings: Path) -> list[str]:
    """kube-proxy."""
    return [str(binary), f"--config={settings}"]


def proxy_settings(data: NodeFolder, addresses: NodeAddresses) -> dict[str, Any]:
    """KubeProxyConfiguration; it leaves the connection table's limits alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": addresses.node,
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": str(data.control_plane.kubeconfig("kube-proxy"))},
        "mode": "iptables",
        "clusterCIDR": POD_RANGE,
        "oomScoreAdj": 0,
        "healthzBindAddress": f"{LOOPBACK}:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"{LOOPBACK}:10249",
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def containerd_settings(data: NodeFolder, runtime: Mapping[str, Path]) -> str:
    """containerd's config.toml."""
    # JSON's strings are TOML's.
    text = {name: json.dumps(str(path)) for name, path in runtime.items()}
    return f"""\
version = 2
root = {json.dumps(str(data.containerd))}
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
]

[grpc]
address = {json.dumps(str(CONTAINERD_SOCKET))}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {json.dumps(PAUSE_IMAGE)}
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {text["cni"]}
conf_dir = {json.dumps(str(data.settings / "cni"))}

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = {json.dumps(str(runtime["bin"] / "runc"))}
SystemdCgroup = false
"""


def network_settings() -> dict[str, Any]:
    """The pods' network: one bridge, with ports of the node on request."""
    return {
        "cniVersion": "0.4.0",
        "name": "imagerift",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": True,
                # A pod may reach itself through its own Service.
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
