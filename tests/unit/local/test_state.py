"""What a running platform tells other programs."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from imagerift_local.errors import PlatformError
from imagerift_local.layout import DataFolder
from imagerift_local.state import (
    format_environment,
    owned,
    parse_environment,
    read_state,
    running_pid,
    write_state,
)
from imagerift_local.supervisor import Backoff, State, Status


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    return folder


def test_the_state_names_every_part(data: DataFolder) -> None:
    status = Status("etcd", State.READY, "https://127.0.0.1:1", data.log("etcd"), pid=7, restarts=2)
    write_state(data, {"etcd": status}, ready=True)
    assert read_state(data) == {
        "ready": True,
        "parts": {
            "etcd": {
                "state": "ready",
                "pid": 7,
                "address": "https://127.0.0.1:1",
                "log": str(data.log("etcd")),
                "restarts": 2,
                "note": "",
            }
        },
        "env": str(data.environment),
    }
    assert stat.S_IMODE(data.state.stat().st_mode) == 0o600


def test_a_missing_state_is_none(data: DataFolder) -> None:
    assert read_state(data) is None
    data.state.write_text(json.dumps([]))
    assert read_state(data) is None


def test_the_environment_survives_a_shells_quoting() -> None:
    variables = {"A": "x y'z\"$HOME", "B": "mongodb://127.0.0.1:1/?a=b&c=d", "C": ""}
    assert parse_environment(format_environment(variables)) == variables


def test_a_folder_has_one_owner_at_a_time(data: DataFolder) -> None:
    with (
        owned(data, os.getpid()),
        pytest.raises(PlatformError, match=rf"already runs in .*pid {os.getpid()}"),
        owned(data, 1),
    ):
        pass


def test_the_owner_is_known_while_it_runs(data: DataFolder) -> None:
    assert running_pid(data) is None
    with owned(data, os.getpid()):
        assert running_pid(data) == os.getpid()
    assert running_pid(data) is None


def test_a_folder_is_private(data: DataFolder) -> None:
    assert stat.S_IMODE(data.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(data.logs.stat().st_mode) == 0o700


def test_the_wait_before_a_restart_doubles_up_to_a_limit() -> None:
    backoff = Backoff(first=0.5, longest=4.0)
    assert [backoff.delay(n, 0.0) for n in range(1, 6)] == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert backoff.delay(10_000, 0.0) == 4.0


def test_the_time_that_a_part_ran_counts_towards_its_pause() -> None:
    backoff = Backoff(first=0.5, longest=4.0)
    assert backoff.delay(5, 3.0) == 1.0
    assert backoff.delay(5, 9.0) == 0.5
