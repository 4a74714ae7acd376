"""A node of kind in place of the project's own, for any version of Kubernetes; needs Docker."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from imagerift_local.provision.programs import PROGRAMS, provision
from imagerift_node.images.build import (
    DOCKERFILES,
    SERVERS,
    images_for_a_node,
    project_version,
    read_stages,
)

from tests.node.node_under_test import NodeUnderTest, Transcript
from tests.platform_under_test import CHECKOUT, wait_until

# As kind's releases v0.31.0 and v0.33.0 name them.
IMAGES = {
    "1.31": "v1.31.14@sha256:6f86cf509dbb42767b6e79debc3f2c32e4ee01386f0489b3b2be24b0a55aac2b",
    "1.32": "v1.32.11@sha256:5fc52d52a7b9574015299724bd68f183702956aa4a2116ae75a63cb574b35af8",
    "1.33": "v1.33.7@sha256:d26ef333bdb2cbe9862a0f7c3803ecc7b4303d8cea8e814b481b09949d353040",
    "1.34": "v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d",
    "1.35": "v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0",
    "1.36": "v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
}
CLUSTER = "imagerift-test"
CONTAINER = f"{CLUSTER}-control-plane"
START_SECONDS = 300
BUILD_SECONDS = 1800


class KindNode(NodeUnderTest):
    """A cluster of one node, which is a container of Docker's."""

    def __init__(self, folder: Path, transcript: Transcript, version: str) -> None:
        super().__init__(folder, transcript)
        self._folder = folder
        self._image = f"kindest/node:{IMAGES[version]}"
        self._created = False

    @property
    def address(self) -> str:
        """The container's, which this machine reaches over Docker's bridge."""
        return self._network["IPAddress"]

    @property
    def machine(self) -> str:
        return self._network["Gateway"]

    def start(self) -> float:
        began = time.monotonic()
        if self._created:
            self.run("docker", "start", CONTAINER)
        else:
            self.data.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
            self.run(
                *("kind", "create", "cluster", "--name", CLUSTER, "--image", self._image),
                *("--kubeconfig", str(self.data.kubeconfig), "--wait", f"{START_SECONDS}s"),
                seconds=2 * START_SECONDS,
            )
            self._created = True

        def ready() -> bool:
            command = ("kubectl", "wait", "--for=condition=Ready", "node", "--all", "--timeout=1s")
            return self.quietly(*command, check=False).returncode == 0

        wait_until(ready, seconds=START_SECONDS, what="the node is ready")
        return time.monotonic() - began

    def stop(self) -> None:
        if self._created:
            self.quietly("kind", "delete", "cluster", "--name", CLUSTER)
            self._created = False

    def kill(self) -> None:
        self.run("docker", "kill", CONTAINER)

    @property
    def _network(self) -> dict[str, str]:
        (found,) = json.loads(self.quietly("docker", "inspect", CONTAINER).stdout)
        bridge: dict[str, str] = found["NetworkSettings"]["Networks"]["kind"]
        return bridge

    def load(self, *images: str) -> None:
        """Builds the images with Docker, from the same files, and gives them to the node."""
        programs = self._folder / "programs"
        programs.mkdir()
        for program, part in SERVERS.items():
            shutil.copy2(provision(PROGRAMS[part], self.workshop).files[program], programs)
        file = self._folder / "Dockerfile"
        file.write_text("\n".join(path.read_text() for path in DOCKERFILES))
        known = images_for_a_node(read_stages())
        names = [f"imagerift/{name}:{project_version()}" for name in images or known]
        for name, tag in zip(images or known, names, strict=True):
            self.run(
                *("docker", "build", "--file", str(file), "--target", name, "--tag", tag),
                *("--build-context", f"programs={programs}", str(CHECKOUT)),
                seconds=BUILD_SECONDS,
            )
        self.run("kind", "load", "docker-image", "--name", CLUSTER, *names, seconds=BUILD_SECONDS)
