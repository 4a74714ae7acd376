"""A shard of a test's own beside the platform's: its namespace, APIs and operators.

They use the platform's servers, each through a link that a test can cut. Every process is a
real one, started as in production, and can be killed, stopped and resumed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from pymongo import MongoClient

from tests.e2e.tenant import Tenant, new_tenant
from tests.platform_under_test import TEST_MODES, PlatformUnderTest, wait_until
from tests.support.server_processes import free_port
from tests.support.tcp_links import Link, Links, opened_links

ATTEMPT = re.compile(rb'"attemptId":"([^"]+)"')
LEASE = "imagerift-operator"


@dataclass
class Program:
    """A process of the shard, started again by `start` with the same ports."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    health: str
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def is_ready(self) -> bool:
        assert self.runs, f"{self.name} ended: {self.log.read_text()[-2000:]}"
        try:
            with urllib.request.urlopen(self.health, timeout=5):  # noqa: S310
                return True
        except (urllib.error.URLError, OSError):
            return False

    def send(self, number: signal.Signals) -> None:
        if self.runs:
            os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 40) -> None:
        """Sends the signal and waits until the process is gone."""
        if self.process is None:
            return
        self.send(number)
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def clean_up(self) -> None:
        """Ends a process that may be stopped or gone."""
        if self.runs:
            self.send(signal.SIGKILL)
            assert self.process is not None
            self.process.wait()


@dataclass
class Shard:
    platform: PlatformUnderTest
    namespace: str
    folder: Path
    store: MongoClient[dict[str, Any]]
    mongo: Link
    kubernetes: Link
    triton: Link
    s3: Link
    programs: list[Program] = field(default_factory=list)
    api_url: str = ""
    overrides: dict[str, str] = field(default_factory=dict)

    def operator(
        self, *, module: Sequence[str] = ("imagerift_operator",), **settings: str
    ) -> Program:
        """Starts an operator of this shard, of another version by another `module`, and waits until
        it answers."""
        health, metrics = free_port(), free_port()
        own = {
            "IMAGERIFT_OPERATOR_HEALTH_PORT": str(health),
            "IMAGERIFT_OPERATOR_METRICS_PORT": str(metrics),
        }
        address = f"http://127.0.0.1:{health}/healthz"
        return self._started("operator", module, address, own | settings)

    def api(self, *, module: Sequence[str] = ("imagerift_api",), **settings: str) -> Program:
        """Starts an API of this shard, at `api_url`, and waits until it is ready."""
        port = free_port()
        own = {
            "IMAGERIFT_API_PORT": str(port),
            "IMAGERIFT_API_METRICS_PORT": str(free_port()),
            # The API signs no internal URL, so its own calls may go through the link.
            "IMAGERIFT_S3_INTERNAL_URL": f"http://127.0.0.1:{self.s3.port}",
        }
        self.api_url = f"http://127.0.0.1:{port}"
        return self._started("api", module, f"{self.api_url}/readyz", own | settings)

    def tenant(self, http: httpx.Client, plan: str = "load") -> Tenant:
        """A workspace of its own whose client talks to this shard's API."""
        return new_tenant(self.platform, http, plan, name="shard", at=self.api_url)

    def kubectl(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        return self.platform.run(
            "kubectl", "-n", self.namespace, *arguments, check=check, stdin=stdin
        ).stdout

    def leader(self) -> Program | None:
        """The operator that the lease names, if it is one that runs."""
        shown = self.kubectl("get", "lease", LEASE, "-o", "json", check=False)
        if not shown:
            return None
        holder = json.loads(shown)["spec"].get("holderIdentity") or ""
        for program in self.programs:
            if program.runs and f"-{program.pid}-" in holder:
                return program
        return None

    def wait_for_leader(self, *, other_than: Program | None = None, seconds: float = 30) -> Program:
        def found() -> Program | None:
            leader = self.leader()
            return leader if leader is not None and leader is not other_than else None

        leader: Program = wait_until(found, seconds=seconds, what="an operator leads")
        return leader

    @contextmanager
    def database(self) -> Iterator[Any]:
        """The store itself, not through the link."""
        yield self.store[self.platform.environment["IMAGERIFT_MONGO_DATABASE"]]

    def records(self) -> list[dict[str, Any]]:
        with self.database() as database:
            return list(database.jobs.find({"namespace": self.namespace}))

    def resources(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", "gj", "-o", "json"))["items"]
        return items

    def _started(
        self, name: str, module: Sequence[str], health: str, settings: Mapping[str, str]
    ) -> Program:
        number = sum(program.name.startswith(name) for program in self.programs)
        program = Program(
            name=f"{name}-{number}",
            command=[sys.executable, "-m", *module],
            environment={**self.environment(), **settings},
            log=self.folder / f"{name}-{number}.log",
            health=health,
        )
        self.programs.append(program)
        program.start()
        wait_until(program.is_ready, seconds=240, what=f"{program.name} is ready")
        return program

    def environment(self) -> dict[str, str]:
        kubeconfig = self.folder / "kubeconfig"
        names = ("PATH", "PYTHONPATH", "HOME")
        passed = {name: os.environ[name] for name in names if name in os.environ}
        return {
            **passed,
            **self.platform.environment,
            "IMAGERIFT_NAMESPACE": self.namespace,
            "IMAGERIFT_MODES_FILE": str(self.folder / "modes.json"),
            "IMAGERIFT_CRASH_DIR": str(self.folder),
            "IMAGERIFT_JOB_TTL_SECONDS": "5",
            # Its pool is reached through a link.
            "IMAGERIFT_MODEL_TOKEN_HOSTS": "127.0.0.1",
            "KUBECONFIG": str(kubeconfig),
            **self.overrides,
        }


@contextmanager
def opened_shard(
    platform: PlatformUnderTest,
    folder: Path,
    *,
    modes: Mapping[str, Any] | None = None,
    through_mongo_link: bool = True,
) -> Iterator[Shard]:
    """A shard without a process yet: namespace, pool and links. `modes` are added to the tests'.

    A MongoDB of several members cannot be reached through one link.
    """
    url = platform.environment["IMAGERIFT_MONGO_URL"]
    with opened_links() as links, MongoClient[dict[str, Any]](url) as store:
        shard = _made(platform, folder, links, store)
        if through_mongo_link:
            link = url.replace(f":{_port(url)}/", f":{shard.mongo.port}/")
            direct = link.replace("replicaSet=rs0", "directConnection=true")
            shard.overrides["IMAGERIFT_MONGO_URL"] = direct
        known = json.loads((platform.data.parent / "modes.json").read_text())
        (folder / "modes.json").write_text(json.dumps(known | dict(modes or {})))
        pool = {
            "apiVersion": "imagerift.dev/v1",
            "kind": "TritonPool",
            "metadata": {"name": "linked"},
            "spec": {
                "endpoint": f"http://127.0.0.1:{shard.triton.port}",
                "slotsPerReplica": 8,
                "modes": sorted({*TEST_MODES, "style", *(modes or {})}),
            },
        }
        platform.run("kubectl", "create", "namespace", shard.namespace)
        try:
            shard.kubectl("apply", "-f", "-", stdin=json.dumps(pool))
            yield shard
        finally:
            for program in shard.programs:
                program.clean_up()
            platform.run("kubectl", "delete", "namespace", shard.namespace, "--wait=false")


def _made(
    platform: PlatformUnderTest, folder: Path, links: Links, store: MongoClient[dict[str, Any]]
) -> Shard:
    variables = platform.environment
    admin = yaml.safe_load(Path(variables["KUBECONFIG"]).read_text())
    cluster = admin["clusters"][0]["cluster"]
    kubernetes = links.to(_port(cluster["server"]))
    cluster["server"] = f"https://127.0.0.1:{kubernetes.port}"
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(admin))
    kubeconfig.chmod(0o600)
    return Shard(
        platform=platform,
        namespace=f"shard-{secrets.token_hex(4)}",
        folder=folder,
        store=store,
        mongo=links.to(_port(variables["IMAGERIFT_MONGO_URL"])),
        kubernetes=kubernetes,
        triton=links.to(_port(variables["IMAGERIFT_TRITON_URL"]), ATTEMPT),
        s3=links.to(_port(variables["IMAGERIFT_S3_INTERNAL_URL"])),
    )


def _port(address: str) -> int:
    # A list of several members has no one port; its first will do.
    port = urlsplit(address.replace(",", "/", 1)).port
    assert port is not None
    return port


@contextmanager
def client_of(shard: Shard) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shard.api_url, timeout=60, trust_env=False) as http:
        yield http
