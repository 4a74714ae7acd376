"""MongoDB as three members: its primary dies or steps down, and another one takes over."""

from __future__ import annotations

import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pymongo
import pytest
from pymongo.errors import PyMongoError

from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.own_shard import Shard, client_of, opened_shard
from tests.support.puppet_jobs import assert_all_ended_well, submit_all, wait_until_sent
from tests.support.server_processes import find_program, free_port

MEMBERS = 3


@dataclass
class ReplicaSet:
    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(MEMBERS)])
    members: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"mongodb://{hosts}/?replicaSet=rs3"

    def start(self) -> None:
        for port in self.ports:
            data = self.folder / str(port)
            data.mkdir()
            with (self.folder / f"mongod-{port}.log").open("wb") as log:
                self.members[port] = subprocess.Popen(
                    [
                        str(find_program("mongod", "IMAGERIFT_TEST_MONGOD")),
                        f"--dbpath={data}",
                        f"--port={port}",
                        "--bind_ip=127.0.0.1",
                        "--replSet=rs3",
                        "--wiredTigerCacheSizeGB=0.25",
                        "--oplogSize=64",
                        "--nounixsocket",
                        "--networkMessageCompressors=disabled",
                        "--quiet",
                    ],
                    stdout=log,
                    stderr=log,
                )
        hosts = [{"_id": n, "host": f"127.0.0.1:{port}"} for n, port in enumerate(self.ports)]
        wanted = {"_id": "rs3", "members": hosts, "settings": {"electionTimeoutMillis": 2000}}

        def initiated() -> bool:
            try:
                with self.at(self.ports[0]) as client:
                    client.admin.command("replSetInitiate", wanted)
            except PyMongoError as error:
                return getattr(error, "code", None) == 23
            return True

        wait_until(initiated, seconds=60, what="a replica set of three")
        wait_until(self.primary, seconds=60, what="a primary")

    @contextmanager
    def at(self, port: int) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
        address = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        with pymongo.MongoClient[dict[str, Any]](
            address, serverSelectionTimeoutMS=500, socketTimeoutMS=2000
        ) as client:
            yield client

    def primary(self) -> int | None:
        for port, member in self.members.items():
            if member.poll() is None:
                try:
                    with self.at(port) as client:
                        if client.admin.command("hello")["isWritablePrimary"]:
                            return port
                except PyMongoError:
                    continue
        return None

    def stop(self) -> None:
        for member in self.members.values():
            member.kill()
            member.wait()


@pytest.fixture
def replica_set(tmp_path: Path) -> Iterator[ReplicaSet]:
    folder = tmp_path / "mongo"
    folder.mkdir()
    servers = ReplicaSet(folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def installation(
    platform: PlatformUnderTest, replica_set: ReplicaSet, tmp_path: Path
) -> Iterator[Shard]:
    name = f"primary-{secrets.token_hex(4)}"
    own = {"IMAGERIFT_MONGO_URL": replica_set.url, "IMAGERIFT_MONGO_DATABASE": name}
    apart = replace(platform, environment={**platform.environment, **own})
    with opened_shard(apart, tmp_path, through_mongo_link=False) as shard:
        shard.api()
        shard.operator(IMAGERIFT_LEASE_SECONDS="4")
        shard.wait_for_leader()
        yield shard


def test_jobs_go_on_when_another_member_becomes_primary(
    installation: Shard, replica_set: ReplicaSet, small_photo: bytes
) -> None:
    with client_of(installation) as http:
        tenant = installation.tenant(http)
        jobs = submit_all(tenant, small_photo, 8, hold=1)
        wait_until_sent(installation, jobs[0])
        first = replica_set.primary()
        assert first is not None
        with replica_set.at(first) as client:
            client.admin.command("replSetStepDown", 30, force=True)
        jobs += accepted(http, tenant, small_photo)
        second = wait_until(
            lambda: (port := replica_set.primary()) != first and port,
            seconds=30,
            what="another primary",
        )
        replica_set.members[second].send_signal(signal.SIGKILL)
        jobs += accepted(http, tenant, small_photo)
        assert_all_ended_well(installation, tenant, jobs)
        assert installation.platform.admin("audit")["differences"] == []


def accepted(http: httpx.Client, tenant: Any, photo: bytes) -> list[str]:
    """One job, submitted again with its key until the store takes it."""
    key = {"Idempotency-Key": secrets.token_hex(16)}

    def taken() -> str | None:
        answer = tenant.submit(photo, mode="puppet", prompt="{}", more_headers=key)
        assert answer.status_code in {202, 409, 503}, answer.text
        return str(answer.json()["jobId"]) if answer.status_code == 202 else None

    return [wait_until(taken, seconds=60, what="a job is taken")]
