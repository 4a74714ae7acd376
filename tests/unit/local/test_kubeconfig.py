"""Kubeconfigs that the platform writes and reads."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml
from imagerift_local.errors import PlatformError
from imagerift_local.kubeconfig import (
    build_kubeconfig,
    read_kubeconfig,
    write_certificate_kubeconfig,
    write_token_kubeconfig,
)
from imagerift_local.pki import ensure_pki

SERVER = "https://127.0.0.1:16443"


def test_a_certificate_kubeconfig_is_read_back(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "pki")
    path = tmp_path / "admin.kubeconfig"
    write_certificate_kubeconfig(
        path, server=SERVER, authority=pki.authority.certificate, user="admin", pair=pki.admin
    )
    access = read_kubeconfig(path)
    assert (access.server, access.token) == (SERVER, None)
    assert access.authority == pki.authority.certificate.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_kubeconfig_names_the_namespace_and_holds_no_certificate(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "pki")
    admin = tmp_path / "admin.kubeconfig"
    write_certificate_kubeconfig(
        admin, server=SERVER, authority=pki.authority.certificate, user="admin", pair=pki.admin
    )
    path = tmp_path / "api.kubeconfig"
    write_token_kubeconfig(
        path,
        access=read_kubeconfig(admin),
        namespace="shard",
        user="imagerift-api",
        token="t0ken",
    )
    config = yaml.safe_load(path.read_text())
    assert config["contexts"][0]["context"]["namespace"] == "shard"
    assert config["users"][0]["user"] == {"token": "t0ken"}
    assert read_kubeconfig(path).headers == {"Authorization": "Bearer t0ken"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_administrator_works_in_the_platforms_namespace(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "pki")
    path = tmp_path / "admin.kubeconfig"
    write_certificate_kubeconfig(
        path,
        server=SERVER,
        authority=pki.authority.certificate,
        user="admin",
        pair=pki.admin,
        namespace="imagerift",
    )
    assert yaml.safe_load(path.read_text())["contexts"][0]["context"]["namespace"] == "imagerift"


def test_a_user_without_credentials_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config"
    config = build_kubeconfig(
        server=SERVER, authority=None, user="me", credentials={"username": "x"}
    )
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(PlatformError, match="token or a client certificate"):
        read_kubeconfig(path)


@pytest.mark.parametrize("text", ["", "{}", "a: [", "current-context: x\ncontexts: []"])
def test_a_damaged_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(PlatformError, match="no usable kubeconfig"):
        read_kubeconfig(path)
