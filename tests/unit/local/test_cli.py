"""What `imagerift-platform` prints for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from imagerift.cli import app as client_app
from imagerift_api.settings import StoreSettings
from imagerift_local.cli import ADMIN_VARIABLES, app
from imagerift_local.demo import DEMO_PLANS
from imagerift_local.files import write_private
from imagerift_local.layout import DataFolder
from imagerift_local.ports import Ports
from imagerift_local.provision.routes import Provision
from imagerift_local.secrets import load_secrets
from imagerift_local.settings import PlatformSettings
from imagerift_local.stack import Stack
from imagerift_local.state import format_environment, owned, write_state
from imagerift_local.supervisor import State, Status
from typer.testing import CliRunner, Result

PARTS = {
    "kube-controller-manager": Status(
        "kube-controller-manager",
        State.READY,
        "https://127.0.0.1:16444",
        Path("/home/somebody/.local/share/imagerift/logs/kube-controller-manager.log"),
        pid=1234567,
    ),
    "triton": Status(
        "triton",
        State.RESTARTING,
        "http://127.0.0.1:18000",
        Path("/home/somebody/.local/share/imagerift/logs/triton.log"),
        restarts=2,
        note="killed by SIGKILL; again in 0.5 s",
    ),
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """The data folder of a platform that was started once, with kubectl on PATH."""
    folder = DataFolder(tmp_path / "data")
    folder.create()
    monkeypatch.setenv("IMAGERIFT_DATA_DIR", str(folder.root))
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kubectl").write_text("#!/bin/sh\necho 'Client Version: v1.34.7'\n")
    (tools / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    settings = PlatformSettings(data_dir=folder.root)
    stack = Stack(settings, folder, Ports(), load_secrets(folder.secrets), {})
    write_private(folder.environment, format_environment(stack.environment()))
    return folder


@pytest.fixture
def running(data: DataFolder) -> Iterator[DataFolder]:
    with owned(data, os.getpid()):
        write_state(data, PARTS, ready=False)
        yield data


def put_demo(data: DataFolder) -> str:
    accounts = {
        plan: {"plan": plan, "workspace_id": f"ws_{plan[0]}", "token": f"ir_live_{plan[0]}"}
        for plan in DEMO_PLANS
    }
    write_private(data.demo, json.dumps(accounts))
    return load_secrets(data.secrets).demo_password


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def evaluated(lines: str) -> dict[str, str]:
    """The environment of a shell that has evaluated the lines."""
    tell = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(
        ["bash", "-c", f"{lines}\n{tell}"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    variables: dict[str, str] = json.loads(done.stdout)
    return variables


def test_the_printed_environment_is_enough_for_the_client(data: DataFolder) -> None:
    put_demo(data)
    variables = evaluated(call("env").stdout)
    assert variables["IMAGERIFT_API_URL"] == "http://127.0.0.1:8080"
    assert variables["IMAGERIFT_API_KEY"] == "ir_live_b"
    assert variables["KUBECONFIG"] == str(data.kubeconfig("admin"))
    assert "IMAGERIFT_KEY_PEPPER" not in variables


def test_kubectl_means_the_platforms_namespace(data: DataFolder) -> None:
    settings = PlatformSettings(
        data_dir=data.root, only=frozenset({"kube-apiserver"}), namespace="shard"
    )
    found = {"kubernetes": Provision({"kube-apiserver": Path("kube-apiserver")}, "1.35.4", "PATH")}
    Stack(settings, data, Ports(), load_secrets(data.secrets), found).build_parts()
    config = yaml.safe_load(data.kubeconfig("admin").read_text())
    assert config["contexts"][0]["context"]["namespace"] == "shard"


def test_every_part_is_told_of_cas_of_ones_own(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, "/own/ca.crt")
    settings = PlatformSettings(data_dir=data.root, only=frozenset({"operator"}))
    (operator,) = Stack(settings, data, Ports(), load_secrets(data.secrets), {}).build_parts()
    assert operator.environment["SSL_CERT_FILE"] == "/own/ca.crt"
    assert operator.environment["AWS_CA_BUNDLE"] == "/own/ca.crt"


def test_the_admin_environment_is_enough_for_the_admin_commands(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in evaluated(call("env", "--admin").stdout).items():
        monkeypatch.setenv(name, value)
    settings = StoreSettings()
    password = load_secrets(data.secrets).mongo_password
    url = settings.mongo_url.get_secret_value()
    assert url.startswith(f"mongodb://imagerift:{password}@127.0.0.1:27117/?replicaSet=rs0&")
    assert settings.mongo_database == "imagerift"
    assert os.environ["IMAGERIFT_ADMIN_TOKEN"] == load_secrets(data.secrets).admin_token
    assert "IMAGERIFT_KEY_PEPPER" not in ADMIN_VARIABLES


def test_admin_commands_without_their_settings_name_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ADMIN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    refused = CliRunner().invoke(client_app, ["admin", "workspace", "list"])
    assert refused.exit_code == 2
    assert "IMAGERIFT_ADMIN_TOKEN" in refused.stderr
    refused = CliRunner().invoke(client_app, ["admin", "audit"])
    assert refused.exit_code == 2
    assert "IMAGERIFT_MONGO_URL" in refused.stderr
    assert 'eval "$(imagerift-platform env --admin)"' in refused.stderr


@pytest.mark.usefixtures("running")
def test_the_status_is_whole_in_a_pipe_and_fits_eighty_columns() -> None:
    shown = call("status")
    assert shown.exit_code == 1
    for part in PARTS.values():
        (line,) = [line for line in shown.stdout.splitlines() if line.startswith(part.name)]
        assert part.address in line.split()
        assert str(part.state) in line.split()
    assert "killed by SIGKILL; again in 0.5 s" in shown.stdout
    assert "/home/somebody/.local/share/imagerift/logs/PART.log" in shown.stdout
    assert "…" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_the_status_is_json_for_programs(running: DataFolder) -> None:
    shown = call("status", "--json")
    assert json.loads(shown.stdout) == json.loads(running.state.read_text())
    assert shown.exit_code == 1
    write_state(running, PARTS, ready=True)
    assert call("status", "--json").exit_code == 0


@pytest.mark.usefixtures("data")
def test_the_status_of_nothing_is_json_too() -> None:
    shown = call("status", "--json")
    assert (json.loads(shown.stdout), shown.exit_code) == ({"ready": False, "parts": {}}, 1)


def test_keys_password_and_calls_are_printed_again(data: DataFolder) -> None:
    password = put_demo(data)
    shown = call("demo")
    assert shown.exit_code == 0
    for part in ("ir_live_b", "ws_b", password, "http://127.0.0.1:8080/api/v1/generate"):
        assert part in shown.stdout


@pytest.mark.usefixtures("data")
def test_a_platform_without_demo_accounts_says_so() -> None:
    shown = call("demo")
    assert shown.exit_code == 1
    assert "make up" in shown.stderr
