"""The parts of the node, from programs and folders; all of them run inside its namespaces."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import executable

from imagerift_local import parts
from imagerift_local.cluster import connect_cluster
from imagerift_local.errors import SetUpError
from imagerift_local.files import write_private
from imagerift_local.ports import LOOPBACK, Ports
from imagerift_local.probes import Probe, client_tls, http_probe
from imagerift_local.provision.routes import Provision
from imagerift_local.supervisor import Part, Step

from imagerift_node import programs
from imagerift_node.certificates import NodePki, ensure_node_pki, write_kubeconfigs
from imagerift_node.cgroups import has_version_1
from imagerift_node.images.archive import Image, write_archive
from imagerift_node.images.layers import Layer, seal_layer
from imagerift_node.layout import (
    CLUSTER_DOMAIN,
    CONTAINERD_SOCKET,
    NODE_NAME,
    NodeAddresses,
    NodeFolder,
)
from imagerift_node.names import ask
from imagerift_node.objects import base_objects

API_SERVER_NAME = f"kubernetes.default.svc.{CLUSTER_DOMAIN}"
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "XTABLES_LIBDIR", "HOME", "LANG", "TZ")


@dataclass(frozen=True)
class NodeStack:
    """Everything that decides what the node runs."""

    data: NodeFolder
    addresses: NodeAddresses
    provisions: Mapping[str, Provision]
    ports: Ports = field(default_factory=Ports)

    @property
    def server(self) -> str:
        """The API server's address, the same inside and outside."""
        return f"https://{self.addresses.node}:{self.ports.kube_apiserver}"

    @property
    def version(self) -> tuple[int, ...]:
        """Version of Kubernetes, as its programs print it."""
        text = self.provisions["kubernetes-node"].version
        return tuple(int(number) for number in text.split("."))

    def build_parts(self) -> list[Part]:
        """The parts in the order of their start."""
        pki = ensure_node_pki(self.data, self.addresses)
        write_kubeconfigs(self.data, pki, self.server)
        self._write_settings(pki)
        return [
            self._etcd(pki),
            self._apiserver(pki),
            self._controller_manager(pki),
            self._scheduler(pki),
            self._names(),
            self._containerd(),
            self._kubelet(),
            self._proxy(),
        ]

    def _write_settings(self, pki: NodePki) -> None:
        folder = self.data.settings
        runtime = self.provisions["container-runtime"].files
        contents = {
            "kubelet.json": json.dumps(
                programs.kubelet_settings(
                    self.data,
                    pki,
                    self.addresses,
                    self.version,
                    cgroup_v1=has_version_1(Path("/proc/mounts").read_text()),
                )
            ),
            "kube-proxy.json": json.dumps(programs.proxy_settings(self.data, self.addresses)),
            "containerd.toml": programs.containerd_settings(self.data, runtime),
            "cni/10-imagerift.conflist": json.dumps(programs.network_settings()),
            # Pods get the node's own DNS server and nothing of this machine's.
            "resolv.conf": "options timeout:2\n",
        }
        for name, text in contents.items():
            write_private(folder / name, text)

    def _etcd(self, pki: NodePki) -> Part:
        plane = pki.control_plane
        address = f"https://{LOOPBACK}:{self.ports.etcd}"
        tls = client_tls(plane.etcd_authority, plane.etcd_client)
        return self._part(
            "etcd",
            address,
            http_probe(f"{address}/health", tls=tls),
            parts.build_command(
                "etcd",
                self.provisions["etcd"].files["etcd"],
                data=self.data.control_plane,
                ports=self.ports,
                pki=plane,
            ),
        )

    def _apiserver(self, pki: NodePki) -> Part:
        return self._part(
            "kube-apiserver",
            self.server,
            self._kubernetes_probe(f"{self.server}/readyz", pki),
            programs.build_apiserver_command(
                self._program("kube-apiserver"), self.ports, pki, self.addresses
            ),
            after=("etcd",),
            after_ready=self._apply_base_objects,
        )

    def _controller_manager(self, pki: NodePki) -> Part:
        address = f"https://{LOOPBACK}:{self.ports.kube_controller_manager}"
        return self._part(
            "kube-controller-manager",
            address,
            self._kubernetes_probe(f"{address}/healthz", pki),
            parts.build_controller_manager_command(
                self._program("kube-controller-manager"),
                self.version,
                unused=programs.UNUSED_CONTROLLERS,
                kubeconfig=self._kubeconfig("controller-manager"),
                ports=self.ports,
                pki=pki.control_plane,
            ),
            after=("kube-apiserver",),
        )

    def _scheduler(self, pki: NodePki) -> Part:
        address = f"https://{LOOPBACK}:{programs.SCHEDULER_PORT}"
        return self._part(
            "kube-scheduler",
            address,
            self._kubernetes_probe(f"{address}/healthz", pki),
            programs.build_scheduler_command(
                self._program("kube-scheduler"), self.version, self._kubeconfig("scheduler"), pki
            ),
            after=("kube-apiserver",),
        )

    def _names(self) -> Part:
        async def answers() -> bool:
            return await asyncio.to_thread(ask, self.addresses.node, API_SERVER_NAME)

        return self._part(
            "names",
            f"udp://{self.addresses.node}:53",
            answers,
            [
                executable,
                "-m",
                "imagerift_node.names",
                f"--address={self.addresses.node}",
                f"--kubeconfig={self._kubeconfig('names')}",
            ],
            after=("kube-apiserver",),
        )

    def _containerd(self) -> Part:
        async def answers() -> bool:
            return (await asyncio.to_thread(self._ctr, "version")).returncode == 0

        return self._part(
            "containerd",
            f"unix://{CONTAINERD_SOCKET}",
            answers,
            [
                str(self.provisions["container-runtime"].files["bin"] / "containerd"),
                f"--config={self.data.settings / 'containerd.toml'}",
            ],
            after_ready=self._import_pause,
        )

    def _kubelet(self) -> Part:
        address = f"http://{LOOPBACK}:{programs.KUBELET_HEALTH_PORT}"
        return self._part(
            "kubelet",
            address,
            http_probe(f"{address}/healthz"),
            programs.build_kubelet_command(
                self._program("kubelet"),
                self.version,
                self.data,
                self.addresses,
                self.data.settings / "kubelet.json",
            ),
            after=("containerd", "kube-apiserver", "names"),
            after_ready=self._wait_node_ready,
        )

    def _proxy(self) -> Part:
        address = f"http://{LOOPBACK}:{programs.PROXY_HEALTH_PORT}"
        return self._part(
            "kube-proxy",
            address,
            http_probe(f"{address}/healthz"),
            programs.build_proxy_command(
                self._program("kube-proxy"), self.data.settings / "kube-proxy.json"
            ),
            after=("kube-apiserver",),
        )

    async def _apply_base_objects(self) -> None:
        async with connect_cluster(self.data.kubeconfig, "default") as cluster:
            for manifest in base_objects(self.data):
                await cluster.apply(manifest)

    async def _wait_node_ready(self) -> None:
        async with connect_cluster(self.data.kubeconfig, "default") as cluster:
            # Refused as long as it is not registered.
            node = await cluster.get(
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}}
            )
        conditions = node.get("status", {}).get("conditions") or ()
        ready = next((entry for entry in conditions if entry["type"] == "Ready"), None)
        if ready is None or ready["status"] != "True":
            raise SetUpError(ready["message"] if ready else "the node tells no state")

    async def _import_pause(self) -> None:
        """Gives containerd the image that holds a pod's namespaces open."""
        listed = await asyncio.to_thread(self._ctr, "images", "ls", "-q")
        if programs.PAUSE_IMAGE in listed.stdout.split():
            return
        with tempfile.TemporaryDirectory() as scratch:
            archive = await asyncio.to_thread(_pack_pause, self._program("pause"), Path(scratch))
            done = await asyncio.to_thread(self._ctr, "images", "import", str(archive))
        if done.returncode != 0:
            raise SetUpError(f"the image of paused pods: {done.stderr}")

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def _program(self, name: str) -> Path:
        return self.provisions["kubernetes-node"].files[name]

    def _kubeconfig(self, user: str) -> Path:
        return self.data.control_plane.kubeconfig(user)

    def _kubernetes_probe(self, url: str, pki: NodePki) -> Probe:
        plane = pki.control_plane
        return http_probe(url, tls=client_tls(plane.authority, plane.admin))

    def _part(
        self,
        name: str,
        address: str,
        ready: Probe,
        command: Sequence[str],
        *,
        after: tuple[str, ...] = (),
        after_ready: Step | None = None,
    ) -> Part:
        return Part(
            name=name,
            address=address,
            ready=ready,
            command=command,
            environment={key: os.environ[key] for key in PASSED_ON if key in os.environ},
            log=self.data.control_plane.log(name),
            after=after,
            after_ready=after_ready,
        )


def _pack_pause(program: Path, scratch: Path) -> Path:
    """An archive with the image of the one program, in the empty folder `scratch`."""
    files, archive = scratch / "files", scratch / "pause.tar"
    files.mkdir()
    shutil.copy2(program, files / "pause")
    seal_layer(files, scratch)
    with archive.open("wb") as stream:
        write_archive(stream, [Image(programs.PAUSE_IMAGE, [Layer.read(scratch)], ("/pause",))])
    return archive
