"""The scripts of the bundled servers, on the real servers with the charts' own arguments."""

from __future__ import annotations

import base64
import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pymongo
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from imagerift_local.provision.libraries import library_environment
from imagerift_local.replica_set import administrator_url
from pymongo.errors import OperationFailure

from tests.charts.rendering import MAIN, Manifest, Objects
from tests.support.server_processes import find_program, free_port, offered_compressors, wait_until

SCRIPTS = MAIN / "files"


@contextlib.contextmanager
def running(command: list[str], folder: Path, **variables: str) -> Iterator[None]:
    """The program, ended by SIGTERM (and a second later for good) when the block is left."""
    with (folder / "output.log").open("ab") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, cwd=folder, stdout=log, stderr=log
        )
    try:
        yield
        assert process.poll() is None, (folder / "output.log").read_text()
    finally:
        process.terminate()
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def arguments(pod: Manifest, container: str) -> list[str]:
    (found,) = [entry for entry in pod["spec"]["containers"] if entry["name"] == container]
    return list(found["command"])


def replaced(command: list[str], prefix: str, value: Any) -> list[str]:
    assert any(part.startswith(prefix) for part in command), prefix
    return [f"{prefix}{value}" if part.startswith(prefix) else part for part in command]


@pytest.fixture
def key(examples: dict[str, Objects], tmp_path: Path) -> Path:
    """The replica set's key as the chart's first container leaves it."""
    (first,) = examples["default"].pods["imagerift-mongodb"]["spec"]["initContainers"]
    source, target = tmp_path / "secret", tmp_path / "keyfile"
    source.write_text("k" * 256)
    command = [*first["command"][:-2], str(source), str(target)]
    for _ in range(2):  # The second as after a restart.
        subprocess.run(command, check=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o400
    return target


def variables_of(pod: Manifest, container: str) -> dict[str, str]:
    """Those that the chart gives as they are."""
    (found,) = [entry for entry in pod["spec"]["containers"] if entry["name"] == container]
    return {entry["name"]: entry["value"] for entry in found["env"] if "value" in entry}


def test_the_bundled_database_becomes_a_replica_set_with_a_user_of_one_database(
    examples: dict[str, Objects], tmp_path: Path, key: Path
) -> None:
    port = free_port()
    pod = examples["default"].pods["imagerift-mongodb"]
    command = arguments(pod, "mongod")
    program = find_program("mongod", "IMAGERIFT_TEST_MONGOD")
    command[0] = str(program)
    for prefix, value in (("--dbpath=", tmp_path), ("--port=", port), ("--keyFile=", key)):
        command = replaced(command, prefix, value)
    command = replaced(command, "--bind_ip_all", "")
    command = [*filter(None, command), "--bind_ip=127.0.0.1"]
    ready = tmp_path / "ready"
    setup = [sys.executable, str(SCRIPTS / "set_up_mongodb.py")]
    variables = variables_of(pod, "set-up") | {
        "MONGO_PORT": str(port),
        "MONGO_MEMBER": f"127.0.0.1:{port}",
        "MONGO_PASSWORD": "p4ss",
        "MONGO_KEY": key.read_text() + "\n",
        "READY_FILE": str(ready),
    }
    url = f"mongodb://imagerift:p4ss@127.0.0.1:{port}/?replicaSet=rs0&authSource=admin"

    def set_up() -> None:
        ready.unlink(missing_ok=True)
        with running(setup, tmp_path, **variables):
            wait_until(ready.exists, "the database is set up")

    with running(command, tmp_path, **library_environment(program)):
        set_up()
        with pymongo.MongoClient[dict[str, Any]](administrator_url(port, key.read_text())) as all_:
            # As earlier releases made it.
            all_.admin.command("updateUser", "imagerift", pwd="old", roles=["root"])
            all_.other.secrets.insert_one({})
        set_up()
        with pymongo.MongoClient[dict[str, Any]](url) as client, client.start_session() as session:
            with session.start_transaction():
                client.imagerift.jobs.insert_one({"_id": 1}, session=session)
            assert client.imagerift.jobs.count_documents({}) == 1
            assert offered_compressors(client) == []
            for database, order in (("other", "find"), ("admin", "usersInfo")):
                with pytest.raises(OperationFailure, match="not authorized"):
                    client[database].command(order, "secrets")
        with (
            pymongo.MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as nobody,
            pytest.raises(OperationFailure, match="auth"),
        ):
            nobody.imagerift.jobs.find_one()


def test_the_bundled_s3_has_the_bucket_and_keeps_the_rest_to_itself(
    examples: dict[str, Objects], tmp_path: Path
) -> None:
    objects = examples["default"]
    port = free_port()
    command = arguments(objects.pods["imagerift-s3"], "seaweedfs")
    command[0] = str(find_program("weed", "IMAGERIFT_TEST_WEED"))
    secret = {
        name: base64.b64decode(value)
        for name, value in objects.one("Secret", "imagerift-bundled")["data"].items()
    }
    (tmp_path / "identities.json").write_bytes(secret["identities.json"])
    (tmp_path / "data").mkdir()
    for prefix, value in (
        ("-dir=", tmp_path / "data"),
        ("-s3.config=", tmp_path / "identities.json"),
        ("-s3.port=", port),
        ("-s3.ip.bind=", "127.0.0.1"),
    ):
        command = replaced(command, prefix, value)
    command += [f"-{part}.port={free_port()}" for part in ("master", "volume", "filer")]
    command += [f"-{part}.port.grpc={free_port()}" for part in ("master", "volume", "filer", "s3")]
    ready = tmp_path / "ready"
    variables = variables_of(objects.pods["imagerift-s3"], "set-up") | {
        "S3_URL": f"http://127.0.0.1:{port}",
        "S3_IDENTITIES": str(tmp_path / "identities.json"),
        "READY_FILE": str(ready),
    }
    setup = [sys.executable, str(SCRIPTS / "set_up_s3.py")]
    with running(command, tmp_path):
        for _ in range(2):  # The second as after a restart of the container.
            ready.unlink(missing_ok=True)
            with running(setup, tmp_path, **variables):
                wait_until(ready.exists, "the bucket is there")
        s3 = boto3.client(
            "s3",
            endpoint_url=variables["S3_URL"],
            region_name="us-east-1",
            aws_access_key_id=secret["s3-access-key"].decode(),
            aws_secret_access_key=secret["s3-secret-key"].decode(),
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        s3.put_object(Bucket="imagerift", Key="a", Body=b"bytes")
        assert s3.get_object(Bucket="imagerift", Key="a")["Body"].read() == b"bytes"
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.create_bucket(Bucket="another")
        stranger = boto3.client(
            "s3",
            endpoint_url=variables["S3_URL"],
            region_name="us-east-1",
            aws_access_key_id="x" * 20,
            aws_secret_access_key="x" * 40,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        with pytest.raises(ClientError, match=r"InvalidAccessKeyId|AccessDenied"):
            stranger.list_objects_v2(Bucket="imagerift")
        s3.close()
        stranger.close()
