"""Settings, the choice of parts, and the machines that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagerift_local.cli import read_settings
from imagerift_local.errors import PlatformError
from imagerift_local.machine import OLDEST_GLIBC, check_machine, machine_problem
from imagerift_local.settings import (
    ALL_PARTS,
    CHECKOUT,
    CONTROL_PLANE,
    PlatformSettings,
    started_parts,
    wanted_parts,
)
from imagerift_node.machine import check_machine as check_node_machine


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IMAGERIFT_DATA_DIR", "IMAGERIFT_CACHE_DIR", "IMAGERIFT_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)


def test_every_part_is_started_by_default() -> None:
    assert started_parts(PlatformSettings()) == frozenset(ALL_PARTS)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(PlatformError, match="no such part: etdc"):
        wanted_parts(read_settings(only="etdc,api"))


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("IMAGERIFT_LOCAL_MONGO_URL", "mongodb://x/?replicaSet=rs0", {"mongod"}),
        ("IMAGERIFT_LOCAL_S3_URL", "http://s3", {"seaweedfs"}),
        ("IMAGERIFT_LOCAL_TRITON_URL", "http://triton:8000", {"triton"}),
        ("IMAGERIFT_LOCAL_KUBECONFIG", "/etc/kubeconfig", set(CONTROL_PLANE)),
    ],
)
def test_a_part_with_an_address_is_not_started(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, parts: set[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert set(ALL_PARTS) - started_parts(PlatformSettings()) == parts


def test_the_environment_moves_the_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGERIFT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IMAGERIFT_CACHE_DIR", str(tmp_path / "cache"))
    settings = PlatformSettings()
    assert (settings.data_dir, settings.cache_dir) == (tmp_path / "data", tmp_path / "cache")


def test_an_option_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMAGERIFT_DATA_DIR", "/elsewhere")
    assert read_settings(data_dir=tmp_path).data_dir == tmp_path


def test_extra_models_are_separated_like_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERIFT_LOCAL_EXTRA_MODELS", "/a:/b")
    assert PlatformSettings().extra_models == (Path("/a"), Path("/b"))


def test_zero_as_port_base_means_automatic_ports() -> None:
    assert read_settings(port_base="0").port_base == "auto"


@pytest.mark.parametrize("base", ["x", "-1", "65535"])
def test_a_port_base_that_cannot_be_is_refused_by_name(base: str) -> None:
    with pytest.raises(PlatformError, match="port_base"):
        read_settings(port_base=base)


@pytest.mark.parametrize("version", ["2.35", "2.36", "2.41"])
def test_a_linux_on_x86_64_is_accepted_whatever_its_release(version: str) -> None:
    library = ("glibc", version)
    assert not machine_problem(system="Linux", processor="x86_64", library=library)


@pytest.mark.parametrize(
    ("system", "processor", "library", "says"),
    [
        ("Darwin", "arm64", ("", ""), "this is Darwin"),
        ("Linux", "aarch64", ("glibc", "2.36"), "this processor is aarch64"),
        ("Linux", "x86_64", ("glibc", "2.31"), "this machine has glibc 2.31"),
        ("Linux", "x86_64", ("", ""), "this machine's C library is another one"),
    ],
)
def test_any_other_machine_is_told_what_is_missing(
    system: str, processor: str, library: tuple[str, str], says: str
) -> None:
    assert machine_problem(system=system, processor=processor, library=library) == says


def test_only_what_needs_root_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    check_machine()
    with pytest.raises(PlatformError, match="A node needs root"):
        check_node_machine("A node")


def test_the_oldest_c_library_is_the_one_that_the_model_server_is_built_for() -> None:
    # The wheel's tag says manylinux_2_35: uv refuses it on anything older.
    oldest = ".".join(map(str, OLDEST_GLIBC))
    for document in ("README.md", "docs/embedded.md"):
        assert f"glibc {oldest} or later" in (CHECKOUT / document).read_text()
