"""Certificates of the embedded control plane and of SeaweedFS, and the authorities behind them.

etcd trusts its own authority, so that a certificate for the API server opens nothing in etcd; so
do the parts of SeaweedFS.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509

from imagerift_local.files import write_private

LEAF_LIFE = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=60)
# Kubernetes takes the organization for a group: one that has no rights.
NO_GROUP = "imagerift"


@dataclass(frozen=True)
class KeyPair:
    """PEM files of one certificate and its private key (both mode 0600)."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class ControlPlanePki:
    """Every certificate and key of the control plane."""

    authority: KeyPair
    etcd_authority: KeyPair
    apiserver: KeyPair
    etcd: KeyPair
    etcd_client: KeyPair
    admin: KeyPair
    controller_manager: KeyPair
    service_account_key: Path
    """Signs the tokens of ServiceAccounts; whoever checks them takes its public half."""


def ensure_pki(
    folder: Path, apiserver_addresses: Sequence[str] = ("127.0.0.1",)
) -> ControlPlanePki:
    """Makes what is missing in `folder` and renews leaf certificates that end within 60 days.

    `apiserver_addresses` are the IP addresses that the API server is reached at.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _ensure_authority(folder, "ca", "imagerift-local-ca")
    etcd_authority = _ensure_authority(folder, "etcd-ca", "imagerift-local-etcd-ca")
    kubernetes = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    return ControlPlanePki(
        authority=authority,
        etcd_authority=etcd_authority,
        apiserver=ensure_leaf(
            authority, "kube-apiserver", identities=(*apiserver_addresses, *kubernetes)
        ),
        etcd=ensure_leaf(etcd_authority, "etcd", identities=("127.0.0.1", "etcd")),
        etcd_client=ensure_leaf(etcd_authority, "etcd-client", user="kube-apiserver"),
        admin=ensure_leaf(authority, "admin", group="system:masters"),
        controller_manager=ensure_leaf(
            authority, "controller-manager", user="system:kube-controller-manager"
        ),
        service_account_key=_ensure_service_account_key(folder),
    )


def ensure_leaf(
    authority: KeyPair,
    name: str,
    *,
    user: str = "",
    group: str = NO_GROUP,
    identities: Sequence[str] = (),
) -> KeyPair:
    """The certificate of that name beside its authority's; renewed when it ends within 60 days.

    Kubernetes knows the holder as `user` (by default: the name) in `group`. `identities` are the
    addresses and names that a server is reached at.
    """
    pair = _pair(authority.certificate.parent, name)
    now = datetime.datetime.now(datetime.UTC)
    if pair.certificate.exists() and pair.key.exists():
        current = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        if current.not_valid_after_utc - now > RENEW_BEFORE:
            return pair
    issuer = trustme.CA.from_pem(authority.certificate.read_bytes(), authority.key.read_bytes())
    leaf = issuer.issue_cert(
        # Go's TLS stack refuses certificates without any subject alternative name.
        *(identities or (name,)),
        common_name=user or name,
        organization_name=group,
        not_after=now + LEAF_LIFE,
    )
    _write(pair, leaf.cert_chain_pems[0], leaf.private_key_pem)
    return pair


def ensure_peers(folder: Path, name: str) -> tuple[KeyPair, KeyPair]:
    """An authority for the parts of one server, and what they know each other by."""
    authority = _ensure_authority(folder, f"{name}-ca", f"imagerift-local-{name}-ca")
    return authority, ensure_leaf(authority, name, identities=("127.0.0.1",))


def _pair(folder: Path, name: str) -> KeyPair:
    return KeyPair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")


def _ensure_authority(folder: Path, name: str, title: str) -> KeyPair:
    pair = _pair(folder, name)
    if not (pair.certificate.exists() and pair.key.exists()):
        made = trustme.CA(path_length=0, organization_name=NO_GROUP, organization_unit_name=title)
        _write(pair, made.cert_pem, made.private_key_pem)
    return pair


def _ensure_service_account_key(folder: Path) -> Path:
    path = folder / "service-account.key"
    if not path.exists():
        write_private(path, trustme.CA().private_key_pem.bytes().decode())
    return path


def _write(pair: KeyPair, certificate: trustme.Blob, key: trustme.Blob) -> None:
    # The key first: a certificate on disk always has its key beside it.
    write_private(pair.key, key.bytes().decode())
    write_private(pair.certificate, certificate.bytes().decode())
