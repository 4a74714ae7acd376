"""Where everything lies in the platform's data folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


class Place:
    """A path below the `root` of the object whose attribute it is."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __get__(self, folder: DataFolder, kind: type[DataFolder]) -> Path:
        return folder.root.joinpath(*self._names)


@dataclass(frozen=True)
class DataFolder:
    """The paths below one data folder; one running platform owns it at a time."""

    root: Path

    # Held by the running platform, and its process id.
    lock = Place("platform.lock")
    pid = Place("platform.pid")
    # State of every part, as JSON.
    state = Place("state.json")
    # Variables with which other programs use the running platform.
    environment = Place("platform.env")
    # Secrets that were generated once.
    secrets = Place("secrets.json")
    # Demo workspaces and their API keys.
    demo = Place("demo.json")
    # Names and password hashes of those who may sign in at the account page.
    sign_in_users = Place("sign-in-users.json")
    # Ports that were chosen automatically.
    ports = Place("ports.json")
    # Versions of the servers whose data are here, as JSON.
    versions = Place("versions.json")
    # Which networks the models have, for people to read.
    networks = Place("networks")
    # Triton's model repository and the token of its callers, made anew at each start.
    models = Place("models")
    model_token = Place("model-token")
    # By which mongod knows its administrator.
    mongod_key = Place("mongod.key")
    # One log file for each part; certificates and keys; one kubeconfig for each user.
    logs = Place("logs")
    pki = Place("pki")
    kubeconfigs = Place("kubeconfigs")
    # The servers' data.
    etcd = Place("etcd")
    mongod = Place("mongod")
    seaweedfs = Place("seaweedfs")
    # Cancel flags of Triton's models.
    control = Place("run", "control")

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
        servers = (self.etcd, self.mongod, self.seaweedfs, self.control)
        for folder in (self.root, self.logs, self.pki, self.kubeconfigs, *servers):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
