"""Kubeconfig files: building them, and reading what a client needs out of one."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any

import yaml

from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.pki import KeyPair


@dataclass(frozen=True)
class ClusterAccess:
    """How to talk to one API server."""

    server: str
    tls: SSLContext | None
    token: str | None
    authority: bytes | None

    @property
    def headers(self) -> dict[str, str]:
        """Headers that authenticate a request."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def build_kubeconfig(
    *,
    server: str,
    authority: bytes | None,
    user: str,
    credentials: Mapping[str, str],
    namespace: str | None = None,
) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one context.

    `authority` is the PEM of the server's authority; `credentials` is the `user` entry;
    `namespace` is what commands mean that name none.
    """
    context = {"cluster": "imagerift", "user": user}
    if namespace is not None:
        context["namespace"] = namespace
    cluster: dict[str, str] = {"server": server}
    if authority is not None:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "imagerift", "cluster": cluster}],
        "users": [{"name": user, "user": dict(credentials)}],
        "contexts": [{"name": "imagerift", "context": context}],
        "current-context": "imagerift",
    }


def write_certificate_kubeconfig(
    path: Path,
    *,
    server: str,
    authority: Path,
    user: str,
    pair: KeyPair,
    namespace: str | None = None,
) -> None:
    """Writes a kubeconfig (mode 0600) of a user who is known by a client certificate."""
    config = build_kubeconfig(
        server=server,
        authority=authority.read_bytes(),
        user=user,
        namespace=namespace,
        credentials={
            "client-certificate-data": base64.b64encode(pair.certificate.read_bytes()).decode(),
            "client-key-data": base64.b64encode(pair.key.read_bytes()).decode(),
        },
    )
    write_private(path, yaml.safe_dump(config, sort_keys=False))


def write_token_kubeconfig(
    path: Path, *, access: ClusterAccess, namespace: str, user: str, token: str
) -> None:
    """Writes a kubeconfig (mode 0600) of a ServiceAccount for the same API server."""
    config = build_kubeconfig(
        server=access.server,
        authority=access.authority,
        user=user,
        namespace=namespace,
        credentials={"token": token},
    )
    write_private(path, yaml.safe_dump(config, sort_keys=False))


def read_kubeconfig(path: Path) -> ClusterAccess:
    """Reads the current context of a kubeconfig.

    Raises:
        PlatformError: the file is damaged, or the user is known by something other than a client
            certificate or a token.
    """
    try:
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        server = str(cluster["server"]).rstrip("/")
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise PlatformError(f"{path} is no usable kubeconfig: {error}") from error
    token = user.get("token")
    if token is None and user.get("tokenFile"):
        token = Path(user["tokenFile"]).read_text().strip()
    certificate, key = _data(user, "client-certificate", path), _data(user, "client-key", path)
    if token is None and (certificate is None or key is None):
        raise PlatformError(
            f"{path}: the user needs a token or a client certificate (exec plugins are not read)"
        )
    authority = _data(cluster, "certificate-authority", path)
    tls = None
    if server.startswith("https://"):
        tls = create_default_context(cadata=authority.decode() if authority else None)
        if certificate is not None and key is not None:
            _load_certificate(tls, certificate, key)
    return ClusterAccess(server=server, tls=tls, token=token, authority=authority)


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def _data(entry: Mapping[str, Any], key: str, path: Path) -> bytes | None:
    inline = entry.get(f"{key}-data")
    if inline:
        return base64.b64decode(inline)
    return (path.parent / entry[key]).read_bytes() if entry.get(key) else None


def _load_certificate(tls: SSLContext, certificate: bytes, key: bytes) -> None:
    # The ssl module takes a client certificate from a file only.
    with tempfile.NamedTemporaryFile(suffix=".pem") as combined:
        combined.write(certificate + b"\n" + key)
        combined.flush()
        tls.load_cert_chain(combined.name)
