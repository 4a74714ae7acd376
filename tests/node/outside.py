"""What a release finds outside of its cluster, on this machine: stores, other servers, a proxy."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

import pymongo
import trustme
import yaml
from anyio.from_thread import start_blocking_portal
from imagerift_local.provision.programs import PROGRAMS, provision
from imagerift_local.replica_set import PRIVILEGES

from tests.integration.api.receiver import Receiver
from tests.node.node_under_test import NodeUnderTest
from tests.node.weights import certified
from tests.support.forward_proxy import ForwardProxy, forwarding
from tests.support.server_processes import Certified, Mongod, S3Address, SeaweedFs
from tests.support.weights_hosts import Host, serving

VALUES = Path(__file__).with_name("outside.yaml")
DATABASE = BUCKET = USER = "imagerift"
LOGIN, WEIGHTS = "login.example", "weights.example"
# What the issuer of sign-ins publishes of itself.
ISSUER = {
    "issuer": f"https://{LOGIN}",
    "authorization_endpoint": f"https://{LOGIN}/authorize",
    "token_endpoint": f"https://{LOGIN}/token",
    "jwks_uri": f"https://{LOGIN}/keys",
}


@dataclass(frozen=True)
class Outside:
    """`company` vouches for all but MongoDB, which has an authority of its own."""

    company: trustme.CA
    company_file: Path
    mongodb: SecuredMongod
    s3: S3Address
    host: Host
    receiver: Receiver
    proxy: ForwardProxy

    def values(self, machine: str) -> str:
        """The values of a release that uses all of it."""
        return Template(VALUES.read_text()).substitute(
            machine=machine,
            mongodb=self.mongodb.member.rpartition(":")[2],
            s3=urlsplit(self.s3.internal_url).port,
            receiver=self.receiver.port,
            proxy=self.proxy.url,
        )

    def secrets(self) -> Mapping[str, dict[str, str]]:
        """The Secrets that the values name."""
        return {
            "mongodb": {"mongo-url": self.mongodb.services_url},
            "mongodb-ca": {"ca.crt": self.mongodb.authority.read_text()},
            "mongodb-client": {"tls-combined.pem": self.mongodb.client.read_text()},
            "s3": {"s3-access-key": self.s3.access_key, "s3-secret-key": self.s3.secret_key},
        }


class SecuredMongod(Mongod):
    """Takes TLS alone, from clients with a certificate, who have a password as well."""

    def __init__(self, folder: Path, host: str) -> None:
        folder.mkdir()
        authority = trustme.CA()
        self.authority = _written(folder / "ca.crt", authority.cert_pem)
        server, client = authority.issue_cert(host), authority.issue_cert("client.example")
        self.client = _written(folder / "client.pem", client.private_key_and_cert_chain_pem)
        own = _written(folder / "server.pem", server.private_key_and_cert_chain_pem)
        key, self._password = secrets.token_hex(32), secrets.token_hex(16)
        key_file = folder / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        super().__init__(
            folder,
            host=host,
            options=[
                "--tlsMode=requireTLS",
                f"--tlsCAFile={self.authority}",
                f"--tlsCertificateKeyFile={own}",
                f"--keyFile={key_file}",
                "--setParameter=enableLocalhostAuthBypass=false",
            ],
        )
        files = f"tls=true&tlsCAFile={self.authority}&tlsCertificateKeyFile={self.client}"
        self.administrator = (
            f"mongodb://__system:{key}@{self.member}/?directConnection=true&authSource=local"
            f"&authMechanism=SCRAM-SHA-256&{files}"
        )
        self.services_url = (
            f"mongodb://{USER}:{self._password}@{self.member}/"
            "?replicaSet=rs0&authSource=admin&tls=true"
        )

    def start(self) -> None:
        super().start()
        privileges = yaml.safe_load(Template(PRIVILEGES.read_text()).substitute(database=DATABASE))
        with pymongo.MongoClient[dict[str, Any]](self.administrator) as client:
            client.admin.command("createRole", USER, privileges=privileges, roles=[])
            client.admin.command("createUser", USER, pwd=self._password, roles=[USER])

    def connections(self) -> list[dict[str, Any]]:
        """Those of the release's own user, as the server itself knows them."""
        asked: list[dict[str, Any]] = [
            {"$currentOp": {"allUsers": True, "idleConnections": True}},
            {"$match": {"effectiveUsers.user": USER}},
        ]
        with pymongo.MongoClient[dict[str, Any]](self.administrator) as client:
            return list(client.admin.aggregate(asked))

    def by_tls(self) -> int:
        """How many connections have been made by TLS."""
        with pymongo.MongoClient[dict[str, Any]](self.administrator) as client:
            told: dict[str, int] = client.admin.command("serverStatus")["transportSecurity"]
        return sum(told.values())

    def ask_without_certificate(self) -> None:
        """As somebody who knows the password alone."""
        trusting = f"{self.services_url}&tlsCAFile={self.authority}"
        with pymongo.MongoClient[dict[str, Any]](trusting, serverSelectionTimeoutMS=5000) as client:
            client[DATABASE].command("ping")


@contextmanager
def outside_world(node: NodeUnderTest, folder: Path) -> Iterator[Outside]:
    """All of it, on the address by which pods reach this machine."""
    machine = node.machine
    company = trustme.CA()
    company_file = _written(folder / "company.crt", company.cert_pem)
    leaf = company.issue_cert(machine)
    files = Certified(
        company_file,
        _written(folder / "s3.crt", *leaf.cert_chain_pems),
        _written(folder / "s3.key", leaf.private_key_pem),
    )
    for part in ("mongod", "seaweedfs"):
        provision(PROGRAMS[part], node.workshop)
    mongodb = SecuredMongod(folder / "mongodb", machine)
    s3 = SeaweedFs(folder / "s3", host=machine, certified=files)
    host = Host({"/.well-known/openid-configuration": json.dumps(ISSUER).encode()})
    served = serving(host, certified(company, LOGIN, WEIGHTS), machine)
    receiver = Receiver(machine, certified(company, machine))
    with ExitStack() as stack:
        stack.callback(mongodb.kill)
        mongodb.start()
        stack.callback(s3.kill)
        s3.start()
        s3.address.make_bucket(BUCKET)
        portal = stack.enter_context(start_blocking_portal())
        stack.enter_context(portal.wrap_async_context_manager(served))
        stack.enter_context(portal.wrap_async_context_manager(receiver))
        way = (machine, urlsplit(host.url).port or 0)
        proxy = ForwardProxy({LOGIN: way, WEIGHTS: way})
        stack.enter_context(portal.wrap_async_context_manager(forwarding(proxy, machine)))
        yield Outside(company, company_file, mongodb, s3.address, host, receiver, proxy)


def _written(path: Path, *parts: trustme.Blob) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(b"".join(part.bytes() for part in parts))
    return path
