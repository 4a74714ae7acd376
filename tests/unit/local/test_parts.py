"""The command lines of the parts."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from imagerift_local import parts
from imagerift_local.layout import DataFolder
from imagerift_local.pki import ControlPlanePki, ensure_peers, ensure_pki
from imagerift_local.ports import Ports
from imagerift_local.replica_set import REPLICA_SET
from imagerift_local.seaweedfs import build_identities, build_security_settings
from imagerift_local.secrets import load_secrets
from imagerift_local.settings import ALL_PARTS

PORTS = Ports()
BINARY = Path("/opt/program")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    return DataFolder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def pki(data: DataFolder) -> ControlPlanePki:
    return ensure_pki(data.pki)


def every_command(data: DataFolder, pki: ControlPlanePki) -> dict[str, list[str]]:
    return {
        **{
            part: parts.build_command(part, BINARY, data=data, ports=PORTS, pki=pki)
            for part in ("etcd", "kube-apiserver", "mongod", "seaweedfs", "operator", "api")
        },
        "kube-controller-manager": controller_manager(data, pki, (1, 20, 2)),
        "triton": triton(data, [Path("/models")]),
    }


def controller_manager(
    data: DataFolder, pki: ControlPlanePki, version: tuple[int, ...]
) -> list[str]:
    kubeconfig = data.kubeconfig("controller-manager")
    return parts.build_controller_manager_command(
        BINARY, version, kubeconfig=kubeconfig, ports=PORTS, pki=pki
    )


def triton(data: DataFolder, repositories: list[Path], traces_url: str | None = None) -> list[str]:
    return parts.build_triton_command(
        ["python3", "-m", "imagerift_front", str(BINARY)],
        repositories,
        traces_url,
        backends="/backends",
        data=data,
    )


def test_every_part_has_a_command(data: DataFolder, pki: ControlPlanePki) -> None:
    assert set(every_command(data, pki)) == set(parts.TABLE) == set(ALL_PARTS)


def test_nobody_waits_for_a_part_that_there_is_not() -> None:
    for part in parts.TABLE.values():
        assert {*part.get("after", ()), *part.get("stop_before", ())} <= set(ALL_PARTS)


def test_every_listener_binds_to_loopback(data: DataFolder, pki: ControlPlanePki) -> None:
    commands = every_command(data, pki)
    assert "--bind-address=127.0.0.1" in commands["kube-apiserver"]
    assert "--bind-address=127.0.0.1" in commands["kube-controller-manager"]
    assert "--bind_ip=127.0.0.1" in commands["mongod"]
    assert "-ip.bind=127.0.0.1" in commands["seaweedfs"]
    # The front adds where it listens: on a socket.
    assert not any("address" in word or "-port" in word for word in commands["triton"])
    assert not any("=0.0.0.0" in word for command in commands.values() for word in command)


def test_no_command_holds_a_private_key(data: DataFolder, pki: ControlPlanePki) -> None:
    words = [word for command in every_command(data, pki).values() for word in command]
    assert not any("PRIVATE KEY" in word for word in words)


def test_etcd_wants_client_certificates(data: DataFolder, pki: ControlPlanePki) -> None:
    command = every_command(data, pki)["etcd"]
    assert "--client-cert-auth" in command
    assert f"--trusted-ca-file={pki.etcd_authority.certificate}" in command
    assert "--listen-client-urls=https://127.0.0.1:12379" in command
    assert "--peer-client-cert-auth" in command
    assert f"--peer-trusted-ca-file={pki.etcd_authority.certificate}" in command
    assert not any("http://" in word for word in command)


def test_the_api_server_runs_with_rbac_and_without_anonymous_users(
    data: DataFolder, pki: ControlPlanePki
) -> None:
    command = every_command(data, pki)["kube-apiserver"]
    assert "--authorization-mode=RBAC" in command
    assert "--anonymous-auth=false" in command


@pytest.mark.parametrize(
    ("version", "closes"),
    [((1, 20, 2), True), ((1, 23), True), ((1, 24, 0), False), ((1, 34, 7), False)],
)
def test_the_insecure_port_is_closed_where_the_version_has_one(
    data: DataFolder, pki: ControlPlanePki, version: tuple[int, ...], closes: bool
) -> None:
    assert ("--port=0" in controller_manager(data, pki, version)) is closes


def test_the_controllers_that_fill_tokens_and_collect_garbage_run(
    data: DataFolder, pki: ControlPlanePki
) -> None:
    command = every_command(data, pki)["kube-controller-manager"]
    controllers = next(word for word in command if word.startswith("--controllers="))
    assert controllers.startswith("--controllers=*,")
    assert "serviceaccount" not in controllers
    assert "garbagecollector" not in controllers


def test_mongod_is_a_replica_set_that_compresses_no_messages(data: DataFolder) -> None:
    command = parts.build_command("mongod", BINARY, data=data, ports=PORTS)
    assert f"--replSet={REPLICA_SET}" in command
    # Decompression before authentication is where CVE-2025-14847 was.
    assert "--networkMessageCompressors=disabled" in command


def test_seaweedfs_opens_no_port_that_is_not_planned(data: DataFolder) -> None:
    command = parts.build_command("seaweedfs", BINARY, data=data, ports=PORTS)
    assert "-s3.port.iceberg=0" in command
    assert "-s3.port.lance=0" in command
    for name in ("master", "volume", "filer", "s3"):
        assert any(word.startswith(f"-{name}.port.grpc=") for word in command)


def test_seaweedfs_takes_its_keys_from_a_file(data: DataFolder) -> None:
    command = parts.build_command("seaweedfs", BINARY, data=data, ports=PORTS)
    assert f"-s3.config={data.seaweedfs}/identities.json" in command
    own = load_secrets(data.secrets)
    services, administrator = json.loads(build_identities("photos", own))["identities"]
    keys = {"accessKey": own.s3_access_key, "secretKey": own.s3_secret_key}
    assert (services["credentials"], services["actions"]) == ([keys], ["Write:photos"])
    assert administrator["credentials"][0]["secretKey"] == own.s3_administrator_key


def test_mongod_wants_a_password_of_everybody(data: DataFolder) -> None:
    command = parts.build_command("mongod", BINARY, data=data, ports=PORTS)
    assert f"--keyFile={data.mongod_key}" in command
    assert "--setParameter=enableLocalhostAuthBypass=false" in command


def test_triton_takes_several_repositories_and_serves_http_only(data: DataFolder) -> None:
    command = triton(data, [Path("/a"), Path("/b")])
    assert [word for word in command if word.startswith("--model-repository")] == [
        "--model-repository=/a",
        "--model-repository=/b",
    ]
    assert command[:4] == ["python3", "-m", "imagerift_front", str(BINARY)]
    assert "--allow-metrics=false" in command


def test_triton_tells_spans_only_where_somebody_wants_them(data: DataFolder) -> None:
    assert not any("trace-config" in word for word in triton(data, []))
    assert "--trace-config=opentelemetry,url=http://x/v1/traces" in triton(
        data, [], "http://x/v1/traces"
    )


def test_a_child_dies_with_its_parent() -> None:
    assert parts.guarded(["sleep", "1"]) == [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "--",
        "sleep",
        "1",
    ]


def test_the_internal_ports_of_the_s3_server_want_tokens_or_certificates(tmp_path: Path) -> None:
    authority, holder = ensure_peers(tmp_path, "seaweedfs")
    text = tomllib.loads(build_security_settings("k" * 64, authority, holder))
    for tokens in (text["jwt"]["signing"], text["jwt"]["filer_signing"]):
        assert tokens["key"] == tokens["read"]["key"] == "k" * 64
    pair = {"cert": str(holder.certificate), "key": str(holder.key)}
    assert text["grpc"].pop("ca") == text["https"]["master"].pop("ca") == str(authority.certificate)
    known = {"master": pair, "volume": pair, "filer": pair, "s3": pair, "client": pair}
    assert (text["grpc"], text["https"]) == (known, {"master": pair})
