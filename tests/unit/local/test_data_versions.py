"""Which programs may open a data folder after which others."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from imagerift_local.data_versions import (
    DataVersions,
    Version,
    opens_etcd,
    opens_kubernetes,
    opens_mongod,
)
from imagerift_local.errors import DataVersionError
from imagerift_local.layout import DataFolder


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    return folder


def put_etcd(data: DataFolder, content: bytes) -> None:
    database = data.etcd / "member" / "snap" / "db"
    database.parent.mkdir(parents=True)
    database.write_bytes(content)


def put_mongod(data: DataFolder, engine: str) -> None:
    (data.mongod / "WiredTiger").write_text(f"WiredTiger\n{engine}\n")


@pytest.mark.parametrize(
    ("program", "written_by", "opens"),
    [
        ((3, 6), (3, 6), True),
        ((3, 6), (3, 5), True),
        ((3, 5), (3, 4), True),
        ((3, 6), (3, 4), False),
        ((3, 4), (3, 5), False),
        ((3, 4), (3, 6), False),
        ((4, 0), (3, 6), False),
    ],
)
def test_etcd_takes_one_step_forward_and_none_back(
    program: Version, written_by: Version, opens: bool
) -> None:
    assert opens_etcd(program, written_by) is opens


@pytest.mark.parametrize(
    ("program", "written_by", "opens"),
    [
        ((1, 34), (1, 34), True),
        ((1, 35), (1, 34), True),
        ((1, 37), (1, 34), True),
        ((1, 34), (1, 29), True),
        ((1, 21), (1, 20), True),
        ((1, 34), (1, 20), False),
        ((1, 34), (1, 35), False),
        ((1, 20), (1, 34), False),
    ],
)
def test_an_api_server_goes_no_step_back_and_from_old_ones_only_one_forward(
    program: Version, written_by: Version, opens: bool
) -> None:
    assert opens_kubernetes(program, written_by) is opens


@pytest.mark.parametrize(
    ("program", "compatibility", "opens"),
    [
        ((6, 0), (6, 0), True),
        ((7, 0), (6, 0), True),
        ((8, 0), (7, 0), True),
        ((8, 2), (8, 0), True),
        ((8, 3), (8, 2), True),
        ((8, 0), (6, 0), False),
        ((8, 2), (7, 0), False),
        ((6, 0), (7, 0), False),
        ((6, 0), (8, 0), False),
        ((8, 0), (8, 2), False),
    ],
)
def test_mongod_opens_its_own_version_and_the_release_before(
    program: Version, compatibility: Version, opens: bool
) -> None:
    assert opens_mongod(program, compatibility) is opens


def test_what_was_used_is_recorded_for_the_owner_alone(data: DataFolder) -> None:
    put_etcd(data, b"")
    put_mongod(data, "WiredTiger 12.0.0: (November 15, 2023)")
    versions = DataVersions(data)
    versions.record({"etcd": "3.6.5", "kubernetes": "1.34.7", "mongod": "8.0.32", "triton": "2.51"})
    assert json.loads(data.versions.read_text()) == {
        "etcd": "3.6",
        "kubernetes": "1.34",
        "mongod": "8.0",
    }
    assert stat.S_IMODE(data.versions.stat().st_mode) == 0o600
    for part, older in (("etcd", "3.4"), ("kubernetes", "1.20.2"), ("mongod", "6.0.5")):
        with pytest.raises(DataVersionError, match=f"which .* {older} cannot open"):
            versions.check(part, older)
        versions.check("triton", "1.0")


def test_mongods_data_stay_of_the_version_that_made_them(data: DataFolder) -> None:
    put_mongod(data, "WiredTiger 11.2.0: (May 2, 2023)")
    versions = DataVersions(data)
    versions.record({"mongod": "7.0.15"})
    versions.record({"mongod": "8.0.32"})
    versions.check("mongod", "7.0.15")


def test_an_upgraded_etcd_and_api_server_leave_their_mark(data: DataFolder) -> None:
    put_etcd(data, b"")
    versions = DataVersions(data)
    versions.record({"etcd": "3.5.9", "kubernetes": "1.33.1"})
    versions.record({"etcd": "3.6.5", "kubernetes": "1.34.7"})
    for part, older in (("etcd", "3.5.9"), ("kubernetes", "1.33.1")):
        with pytest.raises(DataVersionError):
            versions.check(part, older)


def test_a_record_without_data_binds_nobody(data: DataFolder) -> None:
    versions = DataVersions(data)
    versions.record({"etcd": "3.6.5", "kubernetes": "1.34.7", "mongod": "8.0.32"})
    versions.check("etcd", "3.4")
    versions.check("kubernetes", "1.20.2")
    versions.check("mongod", "6.0.5")


def test_etcds_own_marker_counts_where_nothing_was_recorded(data: DataFolder) -> None:
    put_etcd(data, b"\x00clusterVersion3.5.0key\x00storageVersion3.6.0\x00clusterVersion3.6.0")
    versions = DataVersions(data)
    assert versions.read() == {"etcd": (3, 6)}
    with pytest.raises(DataVersionError, match=r"those of etcd 3\.6, which etcd 3\.4"):
        versions.check("etcd", "3.4")


def test_old_folders_without_a_record_keep_their_old_programs(data: DataFolder) -> None:
    put_etcd(data, b"\x00clusterVersion3.4.0key\x00")
    put_mongod(data, "WiredTiger 10.0.2: (December 21, 2021)")
    assert DataVersions(data).read() == {
        "etcd": (3, 4),
        "kubernetes": (1, 20),
        "mongod": (6, 0),
    }


def test_a_damaged_record_counts_as_none(data: DataFolder) -> None:
    put_mongod(data, "WiredTiger 11.2.0: (May 2, 2023)")
    for content in ("[", "[]", '{"mongod": 8}', '{"mongod": "x"}'):
        data.versions.write_text(content)
        assert DataVersions(data).read() == {}
