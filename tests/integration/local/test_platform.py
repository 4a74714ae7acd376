"""The command `imagerift-platform` on its two lightest servers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from imagerift_local.files import write_private
from imagerift_local.state import parse_environment
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.support.server_processes import Mongod, administrators, has_ended

PARTS = "etcd,mongod"
PLATFORM = [str(Path(sys.executable).with_name("imagerift-platform"))]


def until(condition: Callable[[], bool], what: str, timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Platform:
    """One data folder, and the platform that is started in it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.output = data.parent / f"{data.name}.output"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PLATFORM, *arguments, "--data-dir", str(self.data)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def up(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *PLATFORM,
                    "up",
                    "--only",
                    PARTS,
                    "--port-base",
                    "auto",
                    "--data-dir",
                    str(self.data),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until(lambda: self.ready() or not self.alive(), "the platform is ready")
        assert self.alive(), self.output.read_text()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def state(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.data / "state.json").read_text())
        return document

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.state()["ready"])
        return False

    def pids(self) -> list[int]:
        return [int(part["pid"]) for part in self.state()["parts"].values()]

    def environment(self) -> dict[str, str]:
        return parse_environment((self.data / "platform.env").read_text())

    def mongo(self) -> MongoClient[dict[str, Any]]:
        environment = administrators(self.environment(), self.data)
        return MongoClient(environment["IMAGERIFT_MONGO_URL"])

    def end(self) -> None:
        if self.process is not None and self.alive():
            self.process.terminate()
        if self.process is not None:
            self.process.wait(60)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path / "data")
    yield platform
    platform.end()


def gone(pids: list[int]) -> bool:
    return all(has_ended(pid) for pid in pids)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_run_from_start_to_stop(platform: Platform) -> None:
    platform.up()
    state = platform.state()
    assert {part["state"] for part in state["parts"].values()} == {"ready"}
    assert list(state["parts"]) == PARTS.split(",")
    assert state["env"] == str(platform.data / "platform.env")
    for name in ("state.json", "platform.env", "secrets.json"):
        assert mode(platform.data / name) == 0o600
    assert platform.command("status").returncode == 0

    # A second start in the same folder names the first and changes nothing.
    second = platform.command("up", "--only", PARTS)
    assert second.returncode == 1
    assert platform.process is not None
    assert f"pid {platform.process.pid}" in second.stderr
    assert platform.state() == state

    # Every listener is on loopback.
    listeners = [
        connection.laddr.ip
        for pid in platform.pids()
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listeners) == {"127.0.0.1"}

    pids = platform.pids()
    down = platform.command("down")
    assert (down.returncode, down.stdout) == (0, "Stopped.\n")
    assert platform.process.wait(10) == 0
    assert gone(pids)
    assert platform.command("status").returncode == 1
    assert "No platform runs" in platform.command("down").stdout


def test_data_addresses_and_secrets_survive_a_restart(platform: Platform) -> None:
    platform.up()
    before = platform.environment()
    with platform.mongo() as client:
        client["survival"]["things"].insert_one({"_id": "kept"})
    platform.end()
    platform.up()
    assert platform.environment() == before
    with platform.mongo() as client:
        assert client["survival"]["things"].find_one() == {"_id": "kept"}


def test_the_replica_set_follows_mongod_to_another_port(platform: Platform) -> None:
    platform.up()
    with platform.mongo() as client:
        client["survival"]["things"].insert_one({"_id": "kept"})
    before = platform.environment()
    platform.end()
    (platform.data / "ports.json").unlink()
    platform.up()
    assert platform.environment()["IMAGERIFT_MONGO_URL"] != before["IMAGERIFT_MONGO_URL"]
    with platform.mongo() as client, client.start_session() as session, session.start_transaction():
        things = client["survival"]["things"]
        assert things.find_one(session=session) == {"_id": "kept"}


def test_a_folder_from_before_passwords_keeps_its_data_and_gets_one(
    platform: Platform, tmp_path: Path
) -> None:
    old = Mongod(tmp_path / "old")
    old.start()
    with MongoClient[dict[str, Any]](old.url) as client:
        client["imagerift"]["jobs"].insert_one({"_id": "kept"})
    old.end()
    platform.data.mkdir(mode=0o700)
    (tmp_path / "old" / "data").rename(platform.data / "mongod")
    names = ("key_pepper", "jwt_key", "s3_access_key", "s3_secret_key")
    write_private(platform.data / "secrets.json", json.dumps(dict.fromkeys(names, "old")))

    platform.up()
    with MongoClient[dict[str, Any]](platform.environment()["IMAGERIFT_MONGO_URL"]) as client:
        assert client["imagerift"]["jobs"].find_one() == {"_id": "kept"}
    nobody = platform.state()["parts"]["mongod"]["address"]
    with (
        MongoClient[dict[str, Any]](nobody, directConnection=True) as client,
        pytest.raises(OperationFailure, match="requires authentication"),
    ):
        client["imagerift"]["jobs"].find_one()


def test_killed_servers_come_back(platform: Platform) -> None:
    platform.up()
    for name in PARTS.split(","):
        os.kill(int(platform.state()["parts"][name]["pid"]), signal.SIGKILL)

    def back() -> bool:
        parts = platform.state()["parts"].values()
        return all(part["restarts"] == 1 and part["state"] == "ready" for part in parts)

    until(back, "both are ready again")
    with platform.mongo() as client:
        assert client.admin.command("hello")["isWritablePrimary"]
    assert "restarting (killed by SIGKILL" in platform.output.read_text()


def test_nothing_outlives_a_killed_supervisor(platform: Platform) -> None:
    platform.up()
    pids = platform.pids()
    assert platform.process is not None
    platform.process.kill()
    platform.process.wait(10)
    until(lambda: gone(pids), "every server is gone")
    # The folder is free again.
    platform.up()


def test_a_taken_port_is_told_before_anything_starts(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        monkeypatch.setenv("IMAGERIFT_LOCAL_PORT_MONGOD", port)
        refused = platform.command("up", "--only", PARTS, "--port-base", "auto")
    assert refused.returncode == 1
    for word in (port, "mongod", "IMAGERIFT_LOCAL_PORT_MONGOD", str(os.getpid())):
        assert word in refused.stderr
    assert not list((platform.data / "logs").iterdir())


def test_data_of_newer_servers_are_refused_before_the_start(platform: Platform) -> None:
    platform.up()
    platform.end()
    recorded = json.loads((platform.data / "versions.json").read_text())
    assert set(recorded) == set(PARTS.split(","))
    logs = {path.name: path.read_bytes() for path in (platform.data / "logs").iterdir()}

    # What a newer etcd leaves, in etcd's own words.
    database = platform.data / "etcd" / "member" / "snap" / "db"
    content = database.read_bytes()
    marker = f"clusterVersion{recorded['etcd']}.0".encode()
    assert marker in content
    database.write_bytes(content.replace(marker, b"clusterVersion3.9.0"))
    refused = platform.command("up", "--only", PARTS, "--port-base", "auto")
    assert refused.returncode == 1
    assert "are those of etcd 3.9, which etcd" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1

    database.write_bytes(content)
    (platform.data / "versions.json").write_text(json.dumps(recorded | {"mongod": "99.0"}))
    refused = platform.command("up", "--only", PARTS, "--port-base", "auto")
    assert refused.returncode == 1
    assert "are those of MongoDB 99.0, which MongoDB" in refused.stderr
    assert {path.name: path.read_bytes() for path in (platform.data / "logs").iterdir()} == logs

    (platform.data / "versions.json").write_text(json.dumps(recorded))
    platform.up()


def test_reset_asks_and_then_deletes(platform: Platform) -> None:
    platform.up()
    pids = platform.pids()
    unanswered = platform.command("reset")
    assert unanswered.returncode == 1
    assert platform.alive()
    assert platform.command("reset", "--yes").returncode == 0
    assert not platform.data.exists()
    assert gone(pids)


def test_reset_leaves_a_folder_that_is_not_the_platforms(platform: Platform) -> None:
    platform.data.mkdir()
    (platform.data / "thesis.txt").write_text("x")
    assert platform.command("reset", "--yes").returncode == 1
    assert (platform.data / "thesis.txt").exists()
