"""The stores of the embedded platform, as others on the machine and as its services meet them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.exceptions import ClientError
from imagerift_core.mongo.abandoned import AbandonedTransactions
from imagerift_core.mongo.archive import Archive
from imagerift_core.mongo.database import connect
from imagerift_core.mongo.job_changes import JobChangeStream
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.platform_under_test import PlatformUnderTest, attach, running
from tests.support.server_processes import s3_client

PARTS = "mongod,seaweedfs"
# Who is told the secrets of the platform; nobody is told those of the stores' administrators.
SERVICES = ("api", "operator")
ADMINISTRATORS = ("jwt_key", "s3_administrator_key", "mongod_key")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformUnderTest]:
    """The platform that IMAGERIFT_TEST_ENV names, else its two stores, started for these tests."""
    given = os.environ.get("IMAGERIFT_TEST_ENV")
    if given:
        yield attach(Path(given))
        return
    folder = tmp_path_factory.mktemp("stores")
    with running(folder, {**os.environ, "IMAGERIFT_LOCAL_ONLY": PARTS}) as platform:
        yield platform


def test_nobody_uses_the_database_without_a_password(stores: PlatformUnderTest) -> None:
    address = urlsplit(stores.environment["IMAGERIFT_MONGO_URL"])
    name = stores.environment["IMAGERIFT_MONGO_DATABASE"]
    with MongoClient[dict[str, Any]](address.hostname, address.port, directConnection=True) as any_:
        with pytest.raises(OperationFailure, match="requires authentication"):
            any_[name].jobs.find_one()
        # The way in that mongod leaves open on its own host until there is a user.
        with pytest.raises(OperationFailure, match=r"not authorized|requires authentication"):
            any_.admin.command("createUser", "me", pwd="me", roles=["root"])


async def test_the_services_account_does_what_they_do_in_one_database_and_nothing_else(
    stores: PlatformUnderTest,
) -> None:
    variables = stores.environment
    url, name = variables["IMAGERIFT_MONGO_URL"], variables["IMAGERIFT_MONGO_DATABASE"]
    async with connect(url, name) as database:
        await database.ensure_indexes()
        await database.transaction(
            lambda session: database.jobs.delete_one({"_id": "nobody's"}, session=session)
        )
        await AbandonedTransactions(database).end()
        async with JobChangeStream(database).open():
            pass
        file = io.BytesIO()
        written = await Archive(database).back_up(file)
        file.seek(0)
        rehearsed = await Archive(database).rehearse(file)
        assert rehearsed["documents"] == written.documents

    orders: list[tuple[str, dict[str, Any]]] = [
        ("admin", {"usersInfo": 1}),
        ("admin", {"serverStatus": 1}),
        ("local", {"find": "oplog.rs"}),
        ("another", {"find": "jobs"}),
        ("another", {"insert": "jobs", "documents": [{}]}),
        (name, {"usersInfo": 1}),
        (name, {"drop": "no_such_collection"}),
    ]
    more = {"resource": {"db": name, "collection": ""}, "actions": ["dropDatabase"]}
    with MongoClient[dict[str, Any]](url) as client:
        for elsewhere, order in orders:
            with pytest.raises(OperationFailure, match="not authorized"):
                client[elsewhere].command(order)
        for roles in (["root"], []):
            with pytest.raises(OperationFailure, match="not authorized"):
                client.admin.command("createUser", "me", pwd="me", roles=roles)
        with pytest.raises(OperationFailure, match="not authorized"):
            client[name].command("updateRole", "imagerift", privileges=[more])
        assert {entry["name"] for entry in client.list_databases()} <= {name}


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return False


def test_the_services_key_opens_the_objects_of_one_bucket_and_nothing_else(
    stores: PlatformUnderTest,
) -> None:
    own, key = stores.environment["IMAGERIFT_S3_BUCKET"], f"of-a-test/{secrets.token_hex(4)}"
    other = f"another-{secrets.token_hex(4)}"
    with (
        closing(s3_client(stores.environment)) as s3,
        closing(s3_client(stores.administrator)) as everything,
    ):
        s3.head_bucket(Bucket=own)
        s3.put_object(Bucket=own, Key=key, Body=b"bytes")
        s3.copy_object(Bucket=own, Key=f"{key}-copy", CopySource={"Bucket": own, "Key": key})
        assert s3.get_object(Bucket=own, Key=f"{key}-copy")["Body"].read() == b"bytes"
        assert s3.list_objects_v2(Bucket=own, Prefix=key)["KeyCount"] == 2
        gone = s3.delete_objects(
            Bucket=own, Delete={"Objects": [{"Key": key}, {"Key": f"{key}-copy"}]}
        )
        assert "Errors" not in gone

        assert refused(s3.create_bucket, Bucket=other)
        everything.create_bucket(Bucket=other)
        try:
            everything.put_object(Bucket=other, Key="a", Body=b"theirs")
            assert [each["Name"] for each in s3.list_buckets()["Buckets"]] in ([], [own])
            for of_bucket in (s3.list_objects_v2, s3.head_bucket, s3.delete_bucket):
                assert refused(of_bucket, Bucket=other), of_bucket
            for of_object in (s3.get_object, s3.put_object, s3.delete_object):
                assert refused(of_object, Bucket=other, Key="a"), of_object
            source = {"Bucket": other, "Key": "a"}
            assert refused(s3.copy_object, Bucket=own, Key=key, CopySource=source)
        finally:
            everything.delete_object(Bucket=other, Key="a")
            everything.delete_bucket(Bucket=other)
        policy = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
        assert refused(s3.put_bucket_policy, Bucket=own, Policy=document)
        assert refused(s3.put_bucket_acl, Bucket=own, ACL="public-read")
        rules = {"Rules": [{"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]}
        assert refused(
            s3.put_bucket_lifecycle_configuration, Bucket=own, LifecycleConfiguration=rules
        )
        assert refused(s3.delete_bucket, Bucket=own)


@pytest.mark.parametrize("role", ["s3", "master", "volume", "filer"])
def test_nobody_asks_the_parts_of_the_s3_server_without_their_certificate(
    stores: PlatformUnderTest, role: str
) -> None:
    """Whoever reaches the filer's calls lists and reads every bucket, whoever the master's gets
    the tokens for that."""
    ports = json.loads((stores.data / "ports.json").read_text())
    calls = ports["s3_grpc" if role == "s3" else f"seaweedfs_{role}_grpc"]
    doors: list[tuple[int, Any]] = [
        (socket.AF_INET, ("127.0.0.1", calls)),
        (socket.AF_UNIX, f"/tmp/seaweedfs-{role}-grpc-{calls}.sock"),  # noqa: S108 (its own place)
    ]
    if role == "master":
        doors.append((socket.AF_INET, ("127.0.0.1", ports["seaweedfs_master"])))
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    stranger.set_alpn_protocols(["h2"])
    for family, door in doors:
        with socket.socket(family) as plain:
            plain.settimeout(10)
            plain.connect(door)
            with (
                pytest.raises(ssl.SSLError, match="certificate required"),
                stranger.wrap_socket(plain) as wrapped,
            ):
                wrapped.recv(1)


def secrets_of(folder: Path) -> tuple[set[str], set[str]]:
    """What the services are told, and what neither they nor any other program is."""
    known: dict[str, str] = json.loads((folder / "secrets.json").read_text())
    hidden = {known.pop(name) for name in ADMINISTRATORS}
    demo = folder / "demo.json"
    if demo.exists():
        hidden |= {account["token"] for account in json.loads(demo.read_text()).values()}
    return set(known.values()), hidden


def test_no_secret_stands_in_an_argument_an_environment_or_a_log(
    stores: PlatformUnderTest,
) -> None:
    told, hidden = secrets_of(stores.data)
    told.add(stores.environment["IMAGERIFT_MODEL_TOKEN"])
    parts = json.loads((stores.data / "state.json").read_text())["parts"]
    services = {parts[name]["pid"] for name in SERVICES if name in parts}
    platform = psutil.Process(int((stores.data / "platform.pid").read_text()))
    for process in (platform, *platform.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            arguments, environment = "\n".join(process.cmdline()), str(process.environ())
            assert not any(secret in arguments for secret in told | hidden), process.name()
            absent = hidden if process.pid in services else told | hidden
            assert not any(secret in environment for secret in absent), process.name()
    for log in (stores.data / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert not any(secret in text for secret in told | hidden), log.name
