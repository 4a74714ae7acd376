"""A MongoDB of several members, each a process that can be killed, stopped and told to fail."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymongo
from imagerift_local.provision.libraries import library_environment
from pymongo.errors import PyMongoError

from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.server_processes import ALREADY_INITIALIZED, find_program, free_port

NAME = "rs3"
ELECTION_SECONDS = 2
# A majority that does not come in time, as a server says it of a write that it has made.
NOT_REPLICATED = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}


@dataclass
class Member:
    """One mongod; `start` starts it again on what it had stored."""

    name: str
    folder: Path
    port: int
    arbiter: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        program = find_program("mongod", "IMAGERIFT_TEST_MONGOD")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.folder.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(program),
                    f"--dbpath={self.folder}",
                    f"--port={self.port}",
                    "--bind_ip=127.0.0.1",
                    f"--replSet={NAME}",
                    "--wiredTigerCacheSizeGB=0.25",
                    "--oplogSize=64",
                    "--nounixsocket",
                    "--networkMessageCompressors=disabled",
                    "--quiet",
                    # The server's own failpoints: which command fails, and how.
                    "--setParameter=enableTestCommands=1",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **library_environment(program)},
            )

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.runs:
            self.process.send_signal(number)

    @contextmanager
    def client(self) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
        """Of this member alone, whatever its role is."""
        address = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        with pymongo.MongoClient[dict[str, Any]](
            address, serverSelectionTimeoutMS=500, socketTimeoutMS=2000
        ) as client:
            yield client

    @contextmanager
    def failing(self, *commands: str, **how: Any) -> Iterator[None]:
        """Lets these commands fail, as `failCommand` of the server's own tests says how."""
        name = {"configureFailPoint": "failCommand"}
        data = {"failCommands": list(commands), **how}
        with self.client() as client:
            client.admin.command({**name, "mode": "alwaysOn", "data": data})
            try:
                yield
            finally:
                # One that was killed meanwhile has forgotten it.
                with contextlib.suppress(PyMongoError):
                    client.admin.command({**name, "mode": "off"})


class ReplicaSet:
    """Three members; with `arbiter` the third bears no data."""

    def __init__(self, folder: Path, *, arbiter: bool = False) -> None:
        self.members = [
            Member(f"mongod-{n}", folder / f"mongod-{n}", free_port(), arbiter and n == 2)
            for n in range(3)
        ]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"mongodb://{hosts}/?replicaSet={NAME}"

    def start(self) -> None:
        for member in self.members:
            member.start()
        hosts = [
            {"_id": n, "host": f"127.0.0.1:{member.port}", "arbiterOnly": member.arbiter}
            for n, member in enumerate(self.members)
        ]
        settings = {"electionTimeoutMillis": ELECTION_SECONDS * 1000}
        wanted = {"_id": NAME, "members": hosts, "settings": settings}

        def initiated() -> bool:
            try:
                with self.members[0].client() as client:
                    client.admin.command("replSetInitiate", wanted)
            except PyMongoError as error:
                return getattr(error, "code", None) == ALREADY_INITIALIZED
            return True

        wait_until(initiated, seconds=60, what="a replica set of three")
        self.wait_for_primary()

    def stop(self) -> None:
        for member in self.members:
            member.send(signal.SIGKILL)
            if member.process is not None:
                member.process.wait()

    def primary(self) -> Member | None:
        for member in self.members:
            if member.runs:
                with contextlib.suppress(PyMongoError), member.client() as client:
                    if client.admin.command("hello")["isWritablePrimary"]:
                        return member
        return None

    def wait_for_primary(self, *, other_than: Member | None = None) -> Member:
        found: Member = wait_until(
            lambda: (member := self.primary()) is not other_than and member,
            seconds=60,
            what="a primary",
        )
        return found

    def secondaries(self) -> list[Member]:
        """The members that bear data and are not the primary."""
        primary = self.primary()
        return [m for m in self.members if m is not primary and not m.arbiter]

    def step_down(self, seconds: int = 10) -> Member | None:
        """Has the primary step down; None where there was none."""
        primary = self.primary()
        if primary is not None:
            with primary.client() as client, contextlib.suppress(PyMongoError):
                client.admin.command("replSetStepDown", seconds, force=True)
        return primary

    @contextmanager
    def without_majority(self) -> Iterator[None]:
        """Those that bear data beside the primary are stopped."""
        stopped = self.secondaries()
        for member in stopped:
            member.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for member in stopped:
                member.send(signal.SIGCONT)


@contextmanager
def opened_replica_set(folder: Path, *, arbiter: bool = False) -> Iterator[ReplicaSet]:
    store = ReplicaSet(folder, arbiter=arbiter)
    try:
        store.start()
        yield store
    finally:
        store.stop()


def moved_to(store: ReplicaSet, platform: PlatformUnderTest) -> PlatformUnderTest:
    """The platform as programs see it that keep everything in a database of this store."""
    name = f"apart_{secrets.token_hex(4)}"
    own = {"IMAGERIFT_MONGO_URL": store.url, "IMAGERIFT_MONGO_DATABASE": name}
    return replace(platform, environment={**platform.environment, **own})
