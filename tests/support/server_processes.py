"""Real servers for tests, each a child process on loopback with a folder of its own.

A server's program is the one that an environment variable names, the one on PATH, or the one
that the embedded platform keeps in its cache.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import platformdirs
import psutil
import pymongo
from botocore.config import Config
from imagerift_local.provision.libraries import library_environment
from imagerift_local.replica_set import administrator_url
from pymongo.errors import OperationFailure, PyMongoError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOOPBACK = "127.0.0.1"
START_SECONDS = 240
ALREADY_INITIALIZED = 23


def has_ended(pid: int) -> bool:
    """Whether the process runs no more; whether somebody has asked for its end is another matter.

    A process that outlives its parent belongs to the machine's first process, and that of a
    container may never ask.
    """
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def platform_environment() -> dict[str, str]:
    """The variables of a running embedded platform, as its administrators', or nothing.

    `IMAGERIFT_TEST_ENV` names its `platform.env`: lines of `KEY=VALUE`.
    """
    path = os.environ.get("IMAGERIFT_TEST_ENV")
    if not path:
        return {}
    pairs = (token.partition("=") for token in shlex.split(Path(path).read_text()))
    return administrators({name: value for name, _, value in pairs}, Path(path).parent)


def administrators(environment: Mapping[str, str], data: Path) -> dict[str, str]:
    """Variables of the embedded platform in `data`, with the accounts that may do everything.

    The platform's own may use its one database and its one bucket alone.
    """
    known = json.loads((data / "secrets.json").read_text())
    url = environment["IMAGERIFT_MONGO_URL"]
    if "@" in url:
        url = administrator_url(urlsplit(url).port or 0, known["mongod_key"])
    return {
        **environment,
        "IMAGERIFT_MONGO_URL": url,
        "IMAGERIFT_S3_ACCESS_KEY": "administrator",
        "IMAGERIFT_S3_SECRET_KEY": known["s3_administrator_key"],
    }


def find_program(name: str, variable: str) -> Path:
    """The program `name`. Raises `FileNotFoundError` where there is none."""
    named = os.environ.get(variable)
    if named:
        return Path(named)
    found = shutil.which(name)
    if found:
        return Path(found)
    cache = Path(os.environ.get("IMAGERIFT_CACHE_DIR") or platformdirs.user_cache_path("imagerift"))
    for candidate in sorted((cache / "parts").glob(f"*/*/{name}")):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(
        f"{name} is needed: start the embedded platform once, or name it in {variable}"
    )


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Ports of loopback, each another one."""
    with ExitStack() as stack:
        probes = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_until(ready: Callable[[], bool], what: str, *, seconds: float = START_SECONDS) -> None:
    """Returns once `ready()` holds. Raises `TimeoutError` naming `what`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} within {seconds} s")
        time.sleep(0.05)


class Process:
    """One child process with a log file in `folder`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    def launch(self, arguments: list[str], **environment: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self._child = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment},
            )

    def check_alive(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            text = (self.folder / f"{self.name}.log").read_text(errors="replace")
            raise RuntimeError(f"{self.name} ended at its start:\n{text[-2000:]}")

    def await_ready(self, ready: Callable[[], bool], what: str) -> None:
        """Returns once `ready()` holds; a server that fails to start is not left behind."""
        try:
            wait_until(ready, what)
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def end(self, sign: signal.Signals) -> None:
        """Sends the signal and waits until the process is gone."""
        if self._child is not None:
            if self._child.poll() is None:
                self._child.send_signal(sign)
            self._child.wait(timeout=60)
            self._child = None


class Mongod:
    """A private one-node replica set; `kill` is a power cut, after which `start` recovers.

    `administrator` is a URL by which the member itself is reached that listens on `host`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        can_fail: bool = False,
        options: Sequence[str] = (),
        host: str = LOOPBACK,
    ) -> None:
        self._process = Process("mongod", folder)
        self._data = folder / "data"
        # The server's own failpoints: which command fails, how, and how often.
        self._more = ["--setParameter=enableTestCommands=1"] if can_fail else []
        self._more += options
        self.member = f"{host}:{free_port()}"
        self.url = f"mongodb://{self.member}/?replicaSet=rs0"
        self.administrator = f"mongodb://{self.member}/?directConnection=true"

    def start(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        program = find_program("mongod", "IMAGERIFT_TEST_MONGOD")
        host, _, port = self.member.rpartition(":")
        self._process.launch(
            [
                str(program),
                f"--dbpath={self._data}",
                f"--bind_ip={host}",
                f"--port={port}",
                "--replSet=rs0",
                "--wiredTigerCacheSizeGB=0.5",
                "--oplogSize=256",
                "--nounixsocket",
                "--networkMessageCompressors=disabled",
                "--quiet",
                *self._more,
            ],
            **library_environment(program),
        )
        self._process.await_ready(self._is_primary, "a primary mongod")

    @contextmanager
    def failing(self, *commands: str, **how: Any) -> Iterator[None]:
        """Lets these commands fail, as `failCommand` of the server's own tests says how."""
        with pymongo.MongoClient[dict[str, Any]](self.url) as client:
            set_to = {"configureFailPoint": "failCommand"}
            data = {"failCommands": list(commands), **how}
            client.admin.command({**set_to, "mode": "alwaysOn", "data": data})
            try:
                yield
            finally:
                client.admin.command({**set_to, "mode": "off"})

    def kill(self) -> None:
        self._process.end(signal.SIGKILL)

    def end(self) -> None:
        self._process.end(signal.SIGTERM)

    def _is_primary(self) -> bool:
        self._process.check_alive()
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            self.administrator, serverSelectionTimeoutMS=200
        )
        member = {"_id": 0, "host": self.member}
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise
        except PyMongoError:
            return False
        finally:
            client.close()
        return False


def offered_compressors(client: pymongo.MongoClient[dict[str, Any]]) -> list[str]:
    """The message compressors that a mongod agrees to when it is asked for all it may know."""
    answer = client.admin.command("hello", compression=["snappy", "zlib", "zstd"])
    return list(answer.get("compression", ()))


def s3_client(variables: Mapping[str, str]) -> S3Client:
    """A client of the object store itself, with the account that a service's variables name."""
    return boto3.client(
        "s3",
        endpoint_url=variables["IMAGERIFT_S3_INTERNAL_URL"],
        region_name=variables["IMAGERIFT_S3_REGION"],
        aws_access_key_id=variables["IMAGERIFT_S3_ACCESS_KEY"],
        aws_secret_access_key=variables["IMAGERIFT_S3_SECRET_KEY"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, proxies={}),
        verify=variables.get("AWS_CA_BUNDLE"),
    )


@dataclass(frozen=True)
class S3Address:
    """An S3 endpoint, as clients inside and outside name it, and an account of it."""

    internal_url: str
    public_url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    # Whose certificates it has; None: a public one's, or none.
    authority: Path | None = None

    def make_bucket(self, name: str) -> None:
        with closing(self._client()) as client:
            client.create_bucket(Bucket=name)

    def drop_bucket(self, name: str) -> None:
        with closing(self._client()) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
            for item in (item for page in pages for item in page.get("Contents", [])):
                client.delete_object(Bucket=name, Key=item["Key"])
            client.delete_bucket(Bucket=name)

    def tags_of(self, bucket: str, key: str) -> list[Any]:
        """The tags of an object."""
        tags: list[Any] = list(self._client().get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
        return tags

    def _client(self) -> S3Client:
        trusted = {"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {}
        return s3_client(
            {
                "IMAGERIFT_S3_INTERNAL_URL": self.internal_url,
                "IMAGERIFT_S3_REGION": self.region,
                "IMAGERIFT_S3_ACCESS_KEY": self.access_key,
                "IMAGERIFT_S3_SECRET_KEY": self.secret_key,
                **trusted,
            }
        )


@dataclass(frozen=True)
class Certified:
    """Files (PEM) by which a server speaks TLS: its authority's, its certificate and its key."""

    authority: Path
    certificate: Path
    key: Path


class SeaweedFs:
    """A private SeaweedFS with its S3 front, and an account made for this run."""

    def __init__(
        self, folder: Path, *, host: str = LOOPBACK, certified: Certified | None = None
    ) -> None:
        self._process = Process("seaweedfs", folder)
        self._folder = folder
        self._host, self._port = host, free_port()
        self._more: list[str] = []
        self._trusted: ssl.SSLContext | None = None
        # Two names of one server: a signature names its host, so tests can tell them apart.
        internal_url, public_url = f"http://{host}:{self._port}", f"http://localhost:{self._port}"
        if certified is not None:
            internal_url = public_url = f"https://{host}:{self._port}"
            files = {"cert": certified.certificate, "key": certified.key}
            self._more = [f"-s3.{name}.file={path}" for name, path in files.items()]
            self._trusted = ssl.create_default_context(cafile=certified.authority)
        self.address = S3Address(
            internal_url=internal_url,
            public_url=public_url,
            access_key=secrets.token_hex(10),
            secret_key=secrets.token_hex(20),
            authority=certified.authority if certified else None,
        )

    def start(self) -> None:
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        identities = self._folder / "identities.json"
        identities.touch(mode=0o600)
        account = {"accessKey": self.address.access_key, "secretKey": self.address.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identities.write_text(
            json.dumps(
                {"identities": [{"name": "test", "credentials": [account], "actions": actions}]}
            )
        )
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = free_ports(7)
        self._process.launch(
            [
                str(find_program("weed", "IMAGERIFT_TEST_WEED")),
                "server",
                f"-dir={data}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-master.port={master}",
                f"-master.port.grpc={master_grpc}",
                "-master.volumeSizeLimitMB=64",
                "-master.telemetry=false",
                f"-volume.port={volume}",
                f"-volume.port.grpc={volume_grpc}",
                "-volume.max=20",
                "-volume.preStopSeconds=0",
                "-filer",
                f"-filer.port={filer}",
                f"-filer.port.grpc={filer_grpc}",
                "-s3",
                f"-s3.ip.bind={self._host}",
                f"-s3.port={self._port}",
                f"-s3.port.grpc={s3_grpc}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                f"-s3.config={identities}",
                *self._more,
            ]
        )
        self._process.await_ready(self._takes_objects, "an S3 server")

    def kill(self) -> None:
        self._process.end(signal.SIGKILL)

    def _takes_objects(self) -> bool:
        self._process.check_alive()
        try:
            url = f"{self.address.internal_url}/healthz"
            with urllib.request.urlopen(url, timeout=1, context=self._trusted):  # noqa: S310
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
