"""Kubeconfig files: writing them, and reading which cluster one means."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from imagerift_local.cluster import build_manifests
from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.pki import KeyPair


def write_kubeconfig(
    path: Path,
    *,
    cluster: Mapping[str, Any],
    user: str,
    credentials: Mapping[str, str],
    namespace: str | None = None,
) -> None:
    """Writes a kubeconfig (mode 0600) with one cluster, one user and one context.

    `cluster` and `credentials` are the entries `cluster` and `user` of the format; `namespace` is
    what commands mean that name none.
    """
    values = {"cluster": cluster, "user": user, "credentials": credentials}
    (document,) = build_manifests("kubeconfig", **values, namespace=namespace or "default")
    write_private(path, yaml.safe_dump(document, sort_keys=False))


def cluster_of(server: str, authority: Path) -> dict[str, str]:
    """The entry of a cluster at the URL `server`, which the authority (PEM) vouches for."""
    return {"server": server, "certificate-authority-data": _encoded(authority)}


def holder_of(pair: KeyPair) -> dict[str, str]:
    """The entry of a user who is known by a client certificate."""
    return {
        "client-certificate-data": _encoded(pair.certificate),
        "client-key-data": _encoded(pair.key),
    }


def read_cluster(path: Path) -> dict[str, Any]:
    """The entry of the current context's cluster; a path in it is absolute.

    Raises:
        PlatformError: the file is damaged.
    """
    try:
        config = yaml.safe_load(path.read_text())
        contexts = {entry["name"]: entry["context"] for entry in config["contexts"]}
        clusters = {entry["name"]: entry["cluster"] for entry in config["clusters"]}
        cluster = dict(clusters[contexts[config["current-context"]]["cluster"]])
        cluster["server"] = str(cluster["server"]).rstrip("/")
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise PlatformError(f"{path} is no usable kubeconfig: {error}") from error
    if cluster.get("certificate-authority"):
        cluster["certificate-authority"] = str(
            (path.parent / cluster["certificate-authority"]).absolute()
        )
    return cluster


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
