"""Certificates of the embedded control plane: two authorities and their leaf certificates.

etcd trusts its own authority, so that a certificate for the API server opens nothing in etcd.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imagerift_local.files import write_private

AUTHORITY_LIFE = datetime.timedelta(days=3650)
LEAF_LIFE = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=60)


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
    service_account_public_key: Path


@dataclass(frozen=True)
class Leaf:
    """What one leaf certificate says."""

    name: str
    common_name: str
    organization: str | None = None
    addresses: Sequence[str] = ()
    names: Sequence[str] = ()


def ensure_pki(
    folder: Path, apiserver_addresses: Sequence[str] = ("127.0.0.1",)
) -> ControlPlanePki:
    """Makes what is missing in `folder` and renews leaf certificates that end within 60 days.

    `apiserver_addresses` are the IP addresses that the API server is reached at.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _ensure_authority(folder, "ca", "imagerift-local-ca")
    etcd_authority = _ensure_authority(folder, "etcd-ca", "imagerift-local-etcd-ca")
    private, public = _ensure_service_account_keys(folder)
    return ControlPlanePki(
        authority=authority,
        etcd_authority=etcd_authority,
        apiserver=ensure_leaf(
            folder,
            authority,
            Leaf(
                "kube-apiserver",
                "kube-apiserver",
                addresses=apiserver_addresses,
                names=("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
            ),
        ),
        etcd=ensure_leaf(folder, etcd_authority, Leaf("etcd", "etcd", addresses=("127.0.0.1",))),
        etcd_client=ensure_leaf(folder, etcd_authority, Leaf("etcd-client", "kube-apiserver")),
        admin=ensure_leaf(folder, authority, Leaf("admin", "admin", "system:masters")),
        controller_manager=ensure_leaf(
            folder, authority, Leaf("controller-manager", "system:kube-controller-manager")
        ),
        service_account_key=private,
        service_account_public_key=public,
    )


def _pair(folder: Path, name: str) -> KeyPair:
    return KeyPair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")


def _ensure_authority(folder: Path, name: str, common_name: str) -> KeyPair:
    pair = _pair(folder, name)
    if pair.certificate.exists() and pair.key.exists():
        return pair
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(pair, certificate, key)
    return pair


def ensure_leaf(folder: Path, authority: KeyPair, leaf: Leaf) -> KeyPair:
    """The certificate of that name in `folder`; made or renewed when it ends within 60 days."""
    pair = _pair(folder, leaf.name)
    now = datetime.datetime.now(datetime.UTC)
    if pair.certificate.exists() and pair.key.exists():
        current = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        if current.not_valid_after_utc - now > RENEW_BEFORE:
            return pair
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    issuer_key = serialization.load_pem_private_key(authority.key.read_bytes(), password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{authority.key} holds no elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    if leaf.organization:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organization))
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(address)) for address in leaf.addresses
    ]
    # Go's TLS stack refuses certificates without any subject alternative name.
    alternatives += [x509.DNSName(name) for name in (leaf.names or (leaf.name,))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    _write(pair, certificate, key)
    return pair


def _ensure_service_account_keys(folder: Path) -> tuple[Path, Path]:
    private, public = folder / "service-account.key", folder / "service-account.pub"
    if not (private.exists() and public.exists()):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        write_private(private, _private_pem(key))
        write_private(
            public,
            key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode(),
        )
    return private, public


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def _write(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    # The key first: a certificate on disk always has its key beside it.
    write_private(pair.key, _private_pem(key))
    write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM).decode())
