"""In which order the ways to get a server are tried, and what is passed over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from imagerift_local.data_versions import DataVersions
from imagerift_local.errors import PlatformError, RouteUnavailableError
from imagerift_local.layout import DataFolder
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.downloads import Refusals
from imagerift_local.provision.programs import PROGRAMS, provision
from imagerift_node import kubernetes as node

ETCD, KUBECTL, KUBERNETES = (PROGRAMS[part] for part in ("etcd", "kubectl", "kubernetes"))
RELEASES = {part: program.release for part, program in PROGRAMS.items() if program.release}


def silent(line: str) -> None:
    del line


class TestRefusals:
    """What is remembered about a release that could not be had."""

    @pytest.mark.parametrize(
        ("later", "tried_again"), [(0.0, False), (23.9, False), (24.1, True), (-1.0, True)]
    )
    def test_a_refusal_counts_for_a_day(
        self, tmp_path: Path, later: float, tried_again: bool
    ) -> None:
        refusals = Refusals(tmp_path)
        refusals.note(RELEASES["etcd"], "no such host")
        (note,) = tmp_path.iterdir()
        noted = time.time() - later * 3600
        os.utime(note, (noted, noted))
        with (
            nullcontext() if tried_again else pytest.raises(RouteUnavailableError, match="no such")
        ):
            refusals.check(RELEASES["etcd"])
        refusals.check(RELEASES["kubernetes"])


def used_by(tmp_path: Path, versions: dict[str, str]) -> DataVersions:
    """A data folder with data of these versions."""
    data = DataFolder(tmp_path / "data")
    database = data.etcd / "member" / "snap" / "db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"")
    used = DataVersions(data)
    used.record(versions)
    return used


@pytest.mark.usefixtures("tried")
class TestOrder:
    """PATH, KUBEBUILDER_ASSETS, an official release, the cache, the package registries."""

    @pytest.fixture
    def tried(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
        tried: list[str] = []

        def refuse(name: str) -> Callable[..., None]:
            def act(*arguments: object) -> None:
                del arguments
                tried.append(name)
                raise RouteUnavailableError("refused")

            return act

        monkeypatch.setattr(
            "imagerift_local.provision.context.fetch_release", refuse("official release")
        )
        monkeypatch.setattr(Debian, "unpack", refuse("Debian"))
        monkeypatch.setattr(Debian, "update", refuse("Debian"))
        return tried

    def workshop(self, tmp_path: Path) -> Workshop:
        return Workshop(Cache(tmp_path / "cache"), Debian(tmp_path / "cache"), silent)

    def put(self, folder: Path, name: str, prints: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\necho '{prints}'\n")
        (folder / name).chmod(0o755)

    def test_a_release_is_tried_before_the_registries(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        for program in (ETCD, KUBERNETES):
            tried.clear()
            with pytest.raises(PlatformError):
                provision(program, self.workshop(tmp_path))
            assert tried == ["official release", "Debian"]

    def put_cached(self, tmp_path: Path, part: str, key: str, *names: str) -> None:
        for name in names:
            self.put(tmp_path / "cache" / "parts" / part / key, name, "")

    def test_a_release_is_tried_before_an_older_build_in_the_cache(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        self.put_cached(tmp_path, "etcd", ETCD.registry.key, "etcd")
        self.put_cached(tmp_path, "kubernetes", KUBERNETES.registry.key, *KUBERNETES.names)
        for program in (ETCD, KUBERNETES):
            tried.clear()
            assert provision(program, self.workshop(tmp_path)).source == "cache"
            assert tried == ["official release"]

    def test_a_release_in_the_cache_is_taken_without_a_try(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        # Nothing that the program needs is missing.
        self.put(tmp_path / "path", "ldd", "")
        self.put_cached(tmp_path, "etcd", ETCD.registry.key, "etcd")
        self.put_cached(tmp_path, "etcd", RELEASES["etcd"].key, "etcd")
        found = provision(ETCD, self.workshop(tmp_path))
        assert (found.version, found.source, tried) == (RELEASES["etcd"].version, "cache", [])

    def test_kubectl_comes_with_the_control_planes_release_where_that_is_there(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        with pytest.raises(PlatformError, match="kubernetes is not from the official release"):
            provision(KUBECTL, self.workshop(tmp_path))
        tried.clear()
        self.put_cached(tmp_path, "kubernetes", RELEASES["kubernetes"].key, "kubectl")
        found = provision(KUBECTL, self.workshop(tmp_path))
        assert (found.version, found.source) == (RELEASES["kubernetes"].version, "official release")
        assert tried == []

    def test_a_refused_release_is_not_tried_at_every_start_and_that_is_said(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        self.put_cached(tmp_path, "etcd", ETCD.registry.key, "etcd")
        said: list[str] = []
        workshop = replace(self.workshop(tmp_path), report=said.append)
        for _ in range(2):
            assert provision(ETCD, workshop).source == "cache"
        assert tried == ["official release"]
        (why,) = [line for line in said if "is not tried" in line]
        assert RELEASES["etcd"].version in why and "24 h" in why and "refused" in why

    def test_a_refused_release_is_tried_again_where_a_build_would_take_minutes(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        for _ in range(2):
            with pytest.raises(PlatformError):
                provision(KUBERNETES, self.workshop(tmp_path))
        assert tried == ["official release", "Debian"] * 2

    def test_a_program_that_cannot_open_the_data_is_passed_over_unfetched(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        self.put_cached(tmp_path, "etcd", ETCD.registry.key, "etcd")
        versions = used_by(tmp_path, {"etcd": "3.4"})
        said: list[str] = []
        workshop = replace(self.workshop(tmp_path), report=said.append, data=versions)
        assert provision(ETCD, workshop).version == "3.4"
        assert tried == []
        assert any(
            f"etcd 3.4, which etcd {RELEASES['etcd'].version} cannot" in line for line in said
        )

    def test_data_that_no_program_here_opens_are_refused_in_one_sentence(
        self, tmp_path: Path
    ) -> None:
        self.put_cached(tmp_path, "etcd", ETCD.registry.key, "etcd")
        workshop = replace(self.workshop(tmp_path), data=used_by(tmp_path, {"etcd": "3.6.5"}))
        with pytest.raises(PlatformError) as refused:
            provision(ETCD, workshop)
        assert str(refused.value) == (
            f"the data in {tmp_path / 'data'} are those of etcd 3.6, which etcd 3.4 cannot open:"
            " put etcd 3.6 on PATH, give another --data-dir, or delete the data with `make reset`"
        )

    def test_the_assets_folder_is_taken_before_the_cache(self, tmp_path: Path) -> None:
        self.put(tmp_path / "cache" / "parts" / "etcd" / ETCD.registry.key, "etcd", "")
        self.put(tmp_path / "assets", "etcd", "etcd Version: 3.5.1")
        assert provision(ETCD, self.workshop(tmp_path)).source == "KUBEBUILDER_ASSETS"

    def test_path_is_taken_before_the_assets_folder(self, tmp_path: Path) -> None:
        self.put(tmp_path / "assets", "etcd", "etcd Version: 3.5.1")
        self.put(tmp_path / "path", "etcd", "etcd Version: 3.6.0")
        assert provision(ETCD, self.workshop(tmp_path)).version == "3.6.0"

    def test_a_program_that_is_too_old_is_passed_over(self, tmp_path: Path) -> None:
        self.put(tmp_path / "path", "etcd", "etcd Version: 3.3.9")
        self.put(tmp_path / "assets", "etcd", "etcd Version: 3.5.1")
        assert provision(ETCD, self.workshop(tmp_path)).source == "KUBEBUILDER_ASSETS"

    def test_an_api_server_without_its_controller_manager_is_passed_over(
        self, tmp_path: Path
    ) -> None:
        self.put(tmp_path / "assets", "kube-apiserver", "Kubernetes v1.34.1")
        with pytest.raises(PlatformError, match="no kube-controller-manager"):
            provision(KUBERNETES, self.workshop(tmp_path))

    def test_a_node_takes_newer_programs_from_the_assets_folder(self, tmp_path: Path) -> None:
        for name in (*KUBERNETES.names, *node.NODE_NAMES):
            self.put(tmp_path / "assets", name, "Kubernetes v1.34.7")
        self.put_cached(tmp_path, "kubernetes-node", KUBERNETES.registry.key, "pause")
        found = node.provision_node_kubernetes(self.workshop(tmp_path))
        assert (found.version, found.source) == ("1.34.7", "KUBEBUILDER_ASSETS")
        assert set(found.files) == {*KUBERNETES.names, *node.NODE_NAMES, "pause"}

    def test_a_node_tries_the_release_before_the_cached_build(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        names = (*node.NODE_NAMES, "pause")
        self.put_cached(tmp_path, "kubernetes", KUBERNETES.registry.key, *KUBERNETES.names)
        self.put_cached(tmp_path, "kubernetes-node", KUBERNETES.registry.key, *names)
        found = node.provision_node_kubernetes(self.workshop(tmp_path))
        assert (found.version, tried) == (KUBERNETES.registry.version, ["official release"])
        assert set(found.files) == {*KUBERNETES.names, *names}

    def test_a_kubelet_that_wants_another_container_runtime_is_passed_over(
        self, tmp_path: Path
    ) -> None:
        for name in (*KUBERNETES.names, *node.NODE_NAMES):
            self.put(tmp_path / "assets", name, "Kubernetes v1.36.0")
        with pytest.raises(PlatformError, match=r"1\.36\.0 needs containerd 2"):
            node.provision_node_kubernetes(self.workshop(tmp_path))
        program = node.NODE_KUBERNETES
        assert program.release is not None
        release = tuple(int(number) for number in program.release.version.split("."))
        assert release[:2] <= node.NEWEST

    def test_a_control_plane_of_two_versions_is_passed_over(self, tmp_path: Path) -> None:
        self.put(tmp_path / "assets", "kube-apiserver", "Kubernetes v1.34.1")
        self.put(tmp_path / "assets", "kube-controller-manager", "Kubernetes v1.33.1")
        with pytest.raises(PlatformError, match="differ in version"):
            provision(KUBERNETES, self.workshop(tmp_path))
