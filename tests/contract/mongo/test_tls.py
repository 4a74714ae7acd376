"""A MongoDB with a CA of its own, and a client certificate in the place of a password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import pytest
import trustme
from cryptography import x509
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.database import connect
from imagerift_core.settings import MongoSettings
from pydantic import SecretStr

from tests.support.server_processes import Mongod

X509 = "authMechanism=MONGODB-X509&authSource=%24external"


@dataclass(frozen=True)
class Secured:
    url: str
    authority: Path
    client: Path
    stranger: Path

    def settings(self, **files: Any) -> MongoSettings:
        return MongoSettings(mongo_url=SecretStr(self.url), **files)


def written(path: Path, *parts: trustme.Blob) -> Path:
    path.write_bytes(b"".join(part.bytes() for part in parts))
    return path


def subject_of(path: Path) -> str:
    """As MongoDB names the holder of a certificate (RFC 2253)."""
    return x509.load_pem_x509_certificate(path.read_bytes()).subject.rfc4514_string()


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", organization_name="servers")
    client = authority.issue_cert("client.example", organization_name="imagerift", common_name="c")
    stranger = authority.issue_cert("other.example", organization_name="others", common_name="o")
    ca = written(tmp_path / "ca.crt", authority.cert_pem)
    pem = written(tmp_path / "server.pem", server.private_key_and_cert_chain_pem)
    ours = written(tmp_path / "client.pem", client.private_key_and_cert_chain_pem)
    theirs = written(tmp_path / "stranger.pem", stranger.private_key_and_cert_chain_pem)
    tls = ["--tlsMode=preferTLS", f"--tlsCAFile={ca}", f"--tlsCertificateKeyFile={pem}"]
    more = ["--tlsAllowConnectionsWithoutCertificates"]
    mongod = Mongod(tmp_path / "mongod", options=[*tls, *more])
    try:
        await asyncio.to_thread(mongod.start)
        with pymongo.MongoClient[dict[str, Any]](mongod.url) as plain:
            role = {"role": "readWriteAnyDatabase", "db": "admin"}
            plain["$external"].command({"createUser": subject_of(ours), "roles": [role]})
        yield Secured(mongod.url, ca, ours, theirs)
    finally:
        await asyncio.to_thread(mongod.kill)


async def ping(settings: MongoSettings, more: str = "tls=true") -> None:
    url = f"{settings.mongo_url.get_secret_value()}&{more}"
    async with connect(url, "tls", settings.mongo_tls) as database:
        await database.ping()


async def test_a_server_of_an_own_ca_is_known_by_that_ca_alone(secured: Secured) -> None:
    await ping(secured.settings(mongo_ca_file=secured.authority))
    with pytest.raises(CapacityUnavailable):
        await ping(secured.settings())


async def test_a_client_certificate_signs_in(secured: Secured) -> None:
    files = {"mongo_ca_file": secured.authority}
    await ping(secured.settings(**files, mongo_client_certificate_file=secured.client), X509)
    with pytest.raises(CapacityUnavailable):
        await ping(secured.settings(**files, mongo_client_certificate_file=secured.stranger), X509)


def test_without_files_the_url_alone_decides() -> None:
    assert MongoSettings(mongo_url=SecretStr("mongodb://127.0.0.1/")).mongo_tls == {}
