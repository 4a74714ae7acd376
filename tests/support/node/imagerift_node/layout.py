"""Names, addresses and folders of the node."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.layout import DataFolder

NODE_NAME = "imagerift-node"
SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
POD_RANGE = "10.88.0.0/24"
CLUSTER_DOMAIN = "cluster.local"
# Inside the node's own mount namespace, where /run is empty at each start as after a boot.
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
STORAGE_CLASS = "local"
VOLUME_COUNT = 8
VOLUME_SIZE = "20Gi"


@dataclass(frozen=True)
class NodeAddresses:
    """The link between this machine and the node: one pair of addresses, seen by nobody else."""

    machine: str = "10.213.64.1"
    node: str = "10.213.64.2"
    prefix: int = 30


@dataclass(frozen=True)
class NodeFolder:
    """The paths below the data folder of one node."""

    root: Path

    @property
    def control_plane(self) -> DataFolder:
        """What the node's control plane has in common with the embedded platform's."""
        return DataFolder(self.root)

    @property
    def kubelet(self) -> Path:
        """Volumes and state of pods."""
        return self.root / "kubelet"

    @property
    def containerd(self) -> Path:
        """Images and containers' file systems."""
        return self.root / "containerd"

    @property
    def settings(self) -> Path:
        """Settings files of the node's programs."""
        return self.root / "settings"

    @property
    def machine_logs(self) -> Path:
        """What the node sees as /var/log, with the logs of the pods."""
        return self.root / "var-log"

    @property
    def volumes(self) -> Path:
        """One folder for each persistent volume."""
        return self.root / "volumes"

    @property
    def request(self) -> Path:
        """What the program inside the namespaces is told."""
        return self.root / "request.json"

    @property
    def inner_pid(self) -> Path:
        """Process id, as this machine sees it, of the node's first process."""
        return self.root / "node.pid"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use from this machine."""
        return self.control_plane.kubeconfig("admin")

    @property
    def tag(self) -> str:
        """Eight hex digits that tell this node's cgroups and links from another's."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:8]

    @property
    def cgroup(self) -> str:
        """Name of the node's group in every cgroup hierarchy."""
        return f"imagerift-node-{self.tag}"

    @property
    def link(self) -> str:
        """This machine's end of the link to the node."""
        return f"irn-{self.tag}"

    def create(self) -> None:
        """Makes the folders; only their owner may enter them."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.control_plane.create()
        for folder in (
            self.kubelet,
            self.containerd,
            self.settings,
            self.machine_logs,
            self.volumes,
        ):
            folder.mkdir(exist_ok=True, mode=0o755)
