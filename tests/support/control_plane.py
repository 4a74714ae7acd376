"""A Kubernetes API server of the tests' own, without nodes."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from tests.support.server_processes import Process, wait_until


class ControlPlane:
    """A private etcd, API server and controller manager, started by the platform's own code."""

    def __init__(self, folder: Path) -> None:
        self._process = Process("platform", folder)
        self._data = folder / "data"
        self.kubeconfig = self._data / "kubeconfigs" / "admin.kubeconfig"

    def start(self) -> None:
        parts = "etcd,kube-apiserver,kube-controller-manager"
        self._process.launch(
            [
                str(Path(sys.executable).parent / "imagerift-platform"),
                "up",
                f"--data-dir={self._data}",
                f"--only={parts}",
                "--port-base=auto",
            ]
        )
        # The first start on a machine builds the programs.
        wait_until(self._is_ready, "a Kubernetes API server", seconds=900)

    def stop(self) -> None:
        """Not by SIGKILL: the platform ends its own children."""
        self._process.end(signal.SIGTERM)

    def _is_ready(self) -> bool:
        self._process.check_alive()
        try:
            states = json.loads((self._data / "state.json").read_text())["parts"].values()
        except (FileNotFoundError, ValueError, KeyError):
            return False
        return self.kubeconfig.exists() and all(part["state"] == "ready" for part in states)
