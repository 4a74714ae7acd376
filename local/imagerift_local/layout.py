"""Where everything lies in the platform's data folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataFolder:
    """The paths below one data folder; one running platform owns it at a time."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the running platform."""
        return self.root / "platform.lock"

    @property
    def pid(self) -> Path:
        """Process id of the running platform."""
        return self.root / "platform.pid"

    @property
    def state(self) -> Path:
        """State of every part, as JSON."""
        return self.root / "state.json"

    @property
    def environment(self) -> Path:
        """Variables with which other programs use the running platform."""
        return self.root / "platform.env"

    @property
    def secrets(self) -> Path:
        """Secrets that were generated once."""
        return self.root / "secrets.json"

    @property
    def demo(self) -> Path:
        """Demo workspaces and their API keys."""
        return self.root / "demo.json"

    @property
    def demo_person(self) -> Path:
        """Name and password of the demo person."""
        return self.root / "demo-person.json"

    @property
    def sign_in_users(self) -> Path:
        """Names and password hashes of those who may sign in at the account page."""
        return self.root / "sign-in-users.json"

    @property
    def ports(self) -> Path:
        """Ports that were chosen automatically."""
        return self.root / "ports.json"

    @property
    def versions(self) -> Path:
        """Versions of the servers whose data are here, as JSON."""
        return self.root / "versions.json"

    @property
    def models(self) -> Path:
        """Triton's model repository, laid out anew at each start."""
        return self.root / "models"

    @property
    def logs(self) -> Path:
        """One log file for each part."""
        return self.root / "logs"

    @property
    def pki(self) -> Path:
        """Certificates and keys of the control plane."""
        return self.root / "pki"

    @property
    def kubeconfigs(self) -> Path:
        """One kubeconfig for each user of the control plane."""
        return self.root / "kubeconfigs"

    @property
    def etcd(self) -> Path:
        """etcd's database."""
        return self.root / "etcd"

    @property
    def mongod(self) -> Path:
        """MongoDB's database."""
        return self.root / "mongod"

    @property
    def seaweedfs(self) -> Path:
        """Volumes, index and settings of the S3 server."""
        return self.root / "seaweedfs"

    @property
    def control(self) -> Path:
        """Cancel flags of Triton's models."""
        return self.root / "run" / "control"

    @property
    def shared_memory_prefix(self) -> str:
        """Name prefix of the shared memory of this folder's Triton; no other program has it."""
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return f"imagerift_{digest}_"

    def log(self, part: str) -> Path:
        """Log file of one part."""
        return self.logs / f"{part}.log"

    def kubeconfig(self, user: str) -> Path:
        """Kubeconfig of one user."""
        return self.kubeconfigs / f"{user}.kubeconfig"

    def create(self) -> None:
        """Makes the folders; only their owner may enter them."""
        for folder in (
            self.root,
            self.logs,
            self.pki,
            self.kubeconfigs,
            self.etcd,
            self.mongod,
            self.seaweedfs,
            self.control,
        ):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
