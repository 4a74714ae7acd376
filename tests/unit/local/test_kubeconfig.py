"""Kubeconfigs that the platform writes and reads."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
import yaml
from imagerift_local.errors import PlatformError
from imagerift_local.kubeconfig import cluster_of, holder_of, read_cluster, write_kubeconfig
from imagerift_local.pki import ControlPlanePki, ensure_pki
from kubernetes.aio import client, config

SERVER = "https://127.0.0.1:16443"


@pytest.fixture
def pki(tmp_path: Path) -> ControlPlanePki:
    return ensure_pki(tmp_path / "pki")


@pytest.fixture
def admin(tmp_path: Path, pki: ControlPlanePki) -> Path:
    path = tmp_path / "admin.kubeconfig"
    cluster = cluster_of(SERVER, pki.authority.certificate)
    credentials = holder_of(pki.admin)
    write_kubeconfig(
        path, cluster=cluster, user="admin", credentials=credentials, namespace="imagerift"
    )
    return path


def loaded(path: Path) -> client.Configuration:
    """What a client of Kubernetes takes from the file."""
    found = client.Configuration()
    asyncio.run(config.load_kube_config(config_file=str(path), client_configuration=found))
    return found


def test_a_client_finds_the_server_and_the_certificates(admin: Path, pki: ControlPlanePki) -> None:
    found = loaded(admin)
    assert found.host == SERVER
    assert Path(found.ssl_ca_cert).read_bytes() == pki.authority.certificate.read_bytes()
    assert Path(found.cert_file).read_bytes() == pki.admin.certificate.read_bytes()
    assert Path(found.key_file).read_bytes() == pki.admin.key.read_bytes()
    assert stat.S_IMODE(admin.stat().st_mode) == 0o600


def test_a_token_kubeconfig_names_the_namespace_and_holds_no_certificate(
    tmp_path: Path, admin: Path
) -> None:
    path = tmp_path / "api.kubeconfig"
    write_kubeconfig(
        path,
        cluster=read_cluster(admin),
        user="imagerift-api",
        credentials={"token": "t0ken"},
        namespace="shard",
    )
    document = yaml.safe_load(path.read_text())
    assert document["contexts"][0]["context"]["namespace"] == "shard"
    assert document["users"][0]["user"] == {"token": "t0ken"}
    found = loaded(path)
    assert (found.host, found.cert_file) == (SERVER, None)
    assert found.api_key == {"BearerToken": "Bearer t0ken"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_administrator_works_in_the_platforms_namespace(admin: Path) -> None:
    assert yaml.safe_load(admin.read_text())["contexts"][0]["context"]["namespace"] == "imagerift"


def test_an_authority_in_a_file_is_found_from_elsewhere(
    tmp_path: Path, pki: ControlPlanePki
) -> None:
    path = tmp_path / "theirs"
    cluster = {"server": f"{SERVER}/", "certificate-authority": "pki/ca.crt"}
    write_kubeconfig(path, cluster=cluster, user="me", credentials={"token": "x"})
    assert read_cluster(path) == {
        "server": SERVER,
        "certificate-authority": str(pki.authority.certificate),
    }


@pytest.mark.parametrize("text", ["", "{}", "a: [", "current-context: x\ncontexts: []"])
def test_a_damaged_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(PlatformError, match="no usable kubeconfig"):
        read_cluster(path)
