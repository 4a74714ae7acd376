"""Which networks the models run, as the embedded platform chooses and tells it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imagerift_local import cli
from imagerift_local.errors import PlatformError
from imagerift_local.layout import DataFolder
from imagerift_local.ports import Ports
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.weights import TOOL, provision_weights
from imagerift_local.secrets import load_secrets
from imagerift_local.settings import PlatformSettings
from imagerift_local.stack import Stack
from imagerift_local.state import owned, write_state
from imagerift_local.supervisor import State, Status
from typer.testing import CliRunner

TOLD = "1 of 4 networks from /weights: matting isnet-general-use, faces none"


@pytest.fixture
def triton(tmp_path: Path) -> Callable[[str], Provision]:
    """A models' Python that notes what it is asked, and does what a line of shell says."""

    def made(line: str) -> Provision:
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\necho "$@" > {shlex.quote(str(tmp_path))}/asked\n{line}\n')
        python.chmod(0o755)
        names = ("python", "site", "environment", "libraries", "interpreter", "tritonserver")
        files = dict.fromkeys((*names, "backends"), tmp_path)
        return Provision({**files, "python": python}, "2.51.0", "cache")

    return made


def settings(folder: Path, weights: str = "") -> PlatformSettings:
    return PlatformSettings(cache_dir=folder / "cache", data_dir=folder / "data", weights=weights)


def test_better_networks_are_tried_and_what_is_in_use_is_told(
    tmp_path: Path, triton: Callable[[str], Provision]
) -> None:
    steps: list[str] = []
    found = triton(f"echo 'step: trying isnet'; echo other; echo 'step: {TOLD}'")
    made = provision_weights(settings(tmp_path), found, steps.append)
    folder = tmp_path / "cache" / "weights"
    assert steps == ["trying isnet", TOLD]
    assert (made.version, made.files) == (TOLD, {"folder": folder})
    assert (tmp_path / "asked").read_text().split() == [str(TOOL), "--folder", str(folder), "try"]


def test_nothing_is_fetched_into_a_folder_of_ones_own(
    tmp_path: Path, triton: Callable[[str], Provision]
) -> None:
    own = settings(tmp_path, str(tmp_path / "own"))
    provision_weights(own, triton("echo 'step: x'"), lambda _: None)
    asked = (tmp_path / "asked").read_text().split()
    assert asked[1:] == ["--folder", str(tmp_path / "own"), "told"]


def test_a_folder_that_cannot_be_used_ends_the_start_with_the_reason(
    tmp_path: Path, triton: Callable[[str], Provision]
) -> None:
    broken = triton("echo 'holds no network tiny for the slot matting' >&2; exit 1")
    with pytest.raises(PlatformError, match=r"(?s)weights cannot be used:.*no network tiny"):
        provision_weights(settings(tmp_path), broken, lambda _: None)


@pytest.mark.parametrize("weights", ["", "packaged"])
def test_the_models_are_told_the_folder_and_the_status_what_is_in_use(
    tmp_path: Path,
    triton: Callable[[str], Provision],
    monkeypatch: pytest.MonkeyPatch,
    weights: str,
) -> None:
    monkeypatch.setenv("IMAGERIFT_DATA_DIR", str(tmp_path / "data"))
    data = DataFolder(tmp_path / "data")
    data.create()
    provisions = {"triton": triton("")}
    if weights != "packaged":
        folder = tmp_path / "cache" / "weights"
        provisions["networks"] = Provision({"folder": folder}, TOLD, str(folder))
    only = settings(tmp_path, weights).model_copy(update={"only": frozenset({"triton"})})
    stack = Stack(only, data, Ports(), load_secrets(data.secrets), provisions)
    (part,) = stack.build_parts()
    assert part.environment is not None
    with owned(data, os.getpid()):
        status = Status("triton", State.READY, "http://127.0.0.1:18000", data.log("triton"))
        write_state(data, {"triton": status}, ready=True)
        shown = CliRunner().invoke(cli.app, ["status"]).stdout
    if weights == "packaged":
        assert "IMAGERIFT_WEIGHTS" not in part.environment
        assert "\npackaged networks\n" in shown
    else:
        assert part.environment["IMAGERIFT_WEIGHTS"] == str(tmp_path / "cache" / "weights")
        assert "networks from /weights\n  matting isnet-general-use\n  faces none\n" in shown


@pytest.mark.parametrize("words", [[], ["pull", "u2net"], ["add", "a.onnx", "--slot", "--help"]])
def test_the_command_is_the_tool_on_the_folder_of_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    run: list[Any] = []
    monkeypatch.setenv("IMAGERIFT_CACHE_DIR", str(tmp_path))
    found = Provision({"python": Path(sys.executable)}, "2.51.0", "cache")
    monkeypatch.setattr(cli, "provision_triton", lambda _: found)
    monkeypatch.setattr(os, "execv", lambda *command: run.append(command))
    shown = CliRunner().invoke(cli.app, ["weights", *words])
    assert shown.exit_code == 0, shown.output
    folder = str(tmp_path / "weights")
    python = sys.executable
    assert run == [(python, [python, str(TOOL), "--folder", folder, *(words or ["list"])])]
