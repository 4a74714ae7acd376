"""Official release archives, checked against a checksum that is written here."""

from __future__ import annotations

import hashlib
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import RUNNING

CONNECT_TIMEOUT = 5.0
CHUNK = 1 << 20


@dataclass(frozen=True)
class Release:
    """One archive of an official release.

    `members` maps the names that the part needs to the paths inside the archive.
    """

    part: str
    version: str
    url: str
    algorithm: str
    digest: str
    members: Mapping[str, str]


# Digest from the project's release notes (CHANGELOG-1.35.md).
KUBERNETES = Release(
    part="kubernetes",
    version="1.35.4",
    url="https://dl.k8s.io/v1.35.4/kubernetes-server-linux-amd64.tar.gz",
    algorithm="sha512",
    digest=(
        "7454c2d9023de3230972e965e1e2a587a291e2a1abee703bb0737057e1646b23"
        "ebac538b93dd778e93579e3c293dc1fa8d002e6848ad5ebc01598bc47358fe44"
    ),
    members={
        "kube-apiserver": "kubernetes/server/bin/kube-apiserver",
        "kube-controller-manager": "kubernetes/server/bin/kube-controller-manager",
        "kubectl": "kubernetes/server/bin/kubectl",
    },
)

# Digest as several projects that do not know of each other pin it.
ETCD = Release(
    part="etcd",
    version="3.6.14",
    url="https://github.com/etcd-io/etcd/releases/download/v3.6.14/etcd-v3.6.14-linux-amd64.tar.gz",
    algorithm="sha256",
    digest="ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5",
    members={"etcd": "etcd-v3.6.14-linux-amd64/etcd"},
)

# Digest as two projects that do not know of each other pin it. The Ubuntu 22.04 build is made for
# OpenSSL 3, as Debian 12 has it.
MONGOD = Release(
    part="mongod",
    version="8.0.32",
    url="https://fastdl.mongodb.org/linux/mongodb-linux-x86_64-ubuntu2204-8.0.32.tgz",
    algorithm="sha256",
    digest="41da8d92dde2896ebda278cf296ae86462da6b39eda81ce6ce4fb9ce819adb2e",
    members={"mongod": "mongodb-linux-x86_64-ubuntu2204-8.0.32/bin/mongod"},
)


def fetch_release(release: Release, target: Path) -> None:
    """Downloads the archive, checks it, and puts its members into the folder `target`.

    One try: a machine that may not reach the host must go on to the next route at once.

    Raises:
        RouteUnavailableError: the download was refused, or is not what it should be.
    """
    archive = target / "archive.tar.gz"
    digest = hashlib.new(release.algorithm)
    try:
        with (
            urllib.request.urlopen(release.url, timeout=CONNECT_TIMEOUT) as response,  # noqa: S310
            archive.open("wb") as file,
        ):
            while chunk := response.read(CHUNK):
                if RUNNING.cancelled:
                    raise RouteUnavailableError(f"{release.url}: interrupted")
                digest.update(chunk)
                file.write(chunk)
    except (OSError, ValueError) as error:
        raise RouteUnavailableError(f"{release.url}: {error}") from error
    if digest.hexdigest() != release.digest:
        raise RouteUnavailableError(f"{release.url}: the checksum does not match")
    try:
        with tarfile.open(archive) as tar:
            for name, member in release.members.items():
                source = tar.extractfile(member)
                if source is None:
                    raise RouteUnavailableError(f"{release.url}: {member} is no file")
                with (target / name).open("wb") as file:
                    while chunk := source.read(CHUNK):
                        file.write(chunk)
                (target / name).chmod(0o755)
    except (KeyError, tarfile.TarError) as error:
        raise RouteUnavailableError(f"{release.url}: {error}") from error
    archive.unlink()
