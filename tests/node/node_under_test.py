"""The real node as its tests see it: started by the code of `imagerift-node`, used from outside."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.programs import PROGRAMS, provision
from imagerift_local.settings import PlatformSettings
from imagerift_node.layout import NodeAddresses, NodeFolder
from imagerift_node.mounts import KERNEL_SETTINGS
from imagerift_node.outside import enter

from tests.platform_under_test import wait_until
from tests.support.helm import HELM

BIN = Path(sys.executable).parent
START_SECONDS = 600
LONGEST_OUTPUT = 3000


class Transcript:
    """What was run and what it printed, as a person would have seen it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = time.monotonic()
        path.write_text("")

    def chapter(self, title: str) -> None:
        self._write(f"\n## {title} ({time.monotonic() - self._began:.0f} s)\n\n")

    def command(self, command: tuple[str, ...], output: str) -> None:
        line = " ".join(command)
        if len(output) > LONGEST_OUTPUT:
            output = f"{output[:LONGEST_OUTPUT]}…\n"
        self._write(f"$ {line}\n{output}")

    def _write(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(text)


class NodeUnderTest:
    """One node in a temporary folder, started and stopped as `imagerift-node` does it."""

    def __init__(self, folder: Path, transcript: Transcript) -> None:
        self.data = NodeFolder(folder / "node")
        self.transcript = transcript
        self._log = folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.kernel_settings = kernel_settings()
        cache = Cache(PlatformSettings().cache_dir.absolute())
        self.workshop = Workshop(cache, Debian(cache.root), _ignore)
        programs = [
            provision(PROGRAMS["kubectl"], self.workshop).files["kubectl"],
            provision(HELM, self.workshop).files["helm"],
        ]
        tools = ":".join(str(program.parent) for program in programs)
        # Helm and kubectl keep what they have learnt there, and nothing of this machine's counts.
        home = folder / "home"
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}:{tools}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.data.kubeconfig),
            "KUBECACHEDIR": str(home / "kube"),
            "HELM_CACHE_HOME": str(home / "helm-cache"),
            "HELM_CONFIG_HOME": str(home / "helm-config"),
            "HELM_DATA_HOME": str(home / "helm-data"),
        }

    @property
    def address(self) -> str:
        """Where this machine reaches the node's ports."""
        return NodeAddresses().node

    @property
    def machine(self) -> str:
        """Where pods reach this machine's ports."""
        return NodeAddresses().machine

    def start(self) -> float:
        """Starts the node; returns the seconds until it was ready."""
        began = time.monotonic()
        # What a killed node has left there says that it is ready.
        self.data.control_plane.state.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(BIN / "imagerift-node"), "up", "--data-dir", str(self.data.root)],
                stdout=log,
                stderr=log,
            )
        process = self._process
        state = self.data.control_plane.state

        def ready() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"the node did not start:\n{self._log.read_text()}")
            return state.exists() and bool(json.loads(state.read_text())["ready"])

        wait_until(ready, seconds=START_SECONDS, what="the node is ready")
        return time.monotonic() - began

    def stop(self) -> None:
        """Stops the node as Ctrl-C would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=120)
        self._process = None

    def kill(self) -> None:
        """Kills the program that keeps the node: what a machine's power cut is to its node."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=60)
        self._process = None

    def load(self, *images: str) -> None:
        """Builds the project's images and imports them."""
        self.run("imagerift-node", "load", "--data-dir", str(self.data.root), *images, seconds=1800)

    def enter(self, *command: str) -> str:
        """What a command prints inside the node."""
        done = subprocess.run(
            enter(self.data, list(command)), capture_output=True, text=True, check=True, timeout=120
        )
        return done.stdout

    def run(
        self, *command: str, check: bool = True, stdin: str | None = None, seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program as an administrator of the cluster, and notes it in the transcript."""
        done = self.quietly(*command, check=False, stdin=stdin, seconds=seconds)
        self.transcript.command(command, done.stdout + done.stderr)
        if check and done.returncode != 0:
            raise AssertionError(
                f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def quietly(
        self, *command: str, check: bool = True, stdin: str | None = None, seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """The same without a note, for what is asked again and again or prints secrets."""
        done = subprocess.run(
            command,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
        return done

    def kubectl(self, *arguments: str, **more: Any) -> str:
        """What kubectl prints."""
        return self.run("kubectl", *arguments, **more).stdout

    @functools.cached_property
    def server_version(self) -> str:
        """The API server's version, as `v1.34.7`."""
        answer = json.loads(self.quietly("kubectl", "version", "-o", "json").stdout)
        return str(answer["serverVersion"]["gitVersion"])

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object, or a list of them, as kubectl reads it."""
        found: dict[str, Any] = json.loads(
            self.quietly("kubectl", "get", *arguments, "-o", "json").stdout
        )
        return found

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        text = yaml.safe_dump_all(manifests)
        self.quietly("kubectl", "apply", "-f", "-", stdin=text)
        for manifest in manifests:
            self.transcript.command(
                ("kubectl", "apply", "-f", "-", "<<<", f"'{json.dumps(manifest)}'"), ""
            )

    def helm(self, *arguments: str, **more: Any) -> str:
        """What helm prints."""
        return self.run("helm", *arguments, **more).stdout


def kernel_settings() -> dict[str, str]:
    """This machine's values of the settings that a kubelet changes for itself."""
    return {name: (Path("/proc/sys") / name).read_text() for name in KERNEL_SETTINGS}


def temporary_folder() -> Path:
    """Where a node under test keeps its data."""
    return Path(tempfile.mkdtemp(prefix="imagerift-node-"))


def delete(folder: Path) -> None:
    """Deletes the folder, unless its data are asked for."""
    if os.environ.get("IMAGERIFT_KEEP_TEST_DATA"):
        sys.stderr.write(f"The node's data and logs are kept in {folder}\n")
    else:
        shutil.rmtree(folder)


def _ignore(line: str) -> None:
    del line
