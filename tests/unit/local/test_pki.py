"""Certificates of the control plane."""

from __future__ import annotations

import datetime
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from imagerift_local import pki as pki_module
from imagerift_local.pki import ensure_pki


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_certificates_are_made_once(tmp_path: Path) -> None:
    first = ensure_pki(tmp_path)
    before = first.apiserver.certificate.read_bytes()
    assert ensure_pki(tmp_path).apiserver.certificate.read_bytes() == before


def test_every_file_has_mode_0600(tmp_path: Path) -> None:
    ensure_pki(tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}


def test_the_admin_belongs_to_the_masters(tmp_path: Path) -> None:
    subject = certificate(ensure_pki(tmp_path).admin.certificate).subject
    assert [entry.value for entry in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [
        "admin"
    ]
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [entry.value for entry in groups] == ["system:masters"]


def test_nobody_else_belongs_to_a_group_of_kubernetes(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path)
    for pair in (pki.apiserver, pki.etcd, pki.etcd_client, pki.controller_manager):
        groups = certificate(pair.certificate).subject.get_attributes_for_oid(
            NameOID.ORGANIZATION_NAME
        )
        assert not any(str(entry.value).startswith("system:") for entry in groups)


def test_certificates_verify_against_their_own_authority_only(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path)
    leaf = certificate(pki.apiserver.certificate)
    leaf.verify_directly_issued_by(certificate(pki.authority.certificate))
    with pytest.raises(ValueError, match=r"[Ii]ssuer"):
        leaf.verify_directly_issued_by(certificate(pki.etcd_authority.certificate))


def test_the_keys_fit_the_certificates(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path)
    for pair in (pki.apiserver, pki.etcd, pki.etcd_client, pki.admin, pki.controller_manager):
        ssl.create_default_context().load_cert_chain(pair.certificate, pair.key)


def test_a_certificate_that_ends_soon_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki_module, "LEAF_LIFE", datetime.timedelta(days=30))
    short = certificate(ensure_pki(tmp_path).etcd.certificate)
    monkeypatch.undo()
    renewed = certificate(ensure_pki(tmp_path).etcd.certificate)
    assert renewed.not_valid_after_utc > short.not_valid_after_utc
