"""The order of the ways to get a part, the cache, and downloads."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from imagerift_local.data_versions import DataVersions
from imagerift_local.errors import PlatformError, RouteUnavailableError
from imagerift_local.layout import DataFolder
from imagerift_local.provision import downloads, etcd, kubernetes
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop, keep_only, release_entry
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.downloads import Release, fetch_release
from imagerift_local.provision.refusals import Refusals
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    first_found,
)
from imagerift_local.provision.wheels import lock_digest, pinned_version


def found(source: str) -> Provision:
    return Provision(files={}, version="1", source=source)


def leads_to(source: str, calls: list[str]) -> Route:
    def attempt() -> Provision:
        calls.append(source)
        return found(source)

    return Route(source, attempt)


def leads_nowhere(name: str, calls: list[str]) -> Route:
    def attempt() -> Provision:
        calls.append(name)
        raise RouteUnavailableError(f"{name} is closed")

    return Route(name, attempt)


def _nothing(target: Path) -> None:
    del target


def silent(line: str) -> None:
    del line


class TestRoutes:
    def test_the_first_route_that_works_wins(self) -> None:
        calls: list[str] = []
        routes = [leads_nowhere("a", calls), leads_to("b", calls), leads_to("c", calls)]
        assert first_found("x", routes, silent).source == "b"
        assert calls == ["a", "b"]

    def test_without_any_route_every_reason_is_told(self) -> None:
        routes = [leads_nowhere("a", []), leads_nowhere("b", [])]
        with pytest.raises(PlatformError) as refusal:
            first_found("the part", routes, silent)
        assert "a: a is closed" in str(refusal.value)
        assert "b: b is closed" in str(refusal.value)


class TestVersions:
    def program(self, tmp_path: Path, script: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def test_a_version_is_read_from_the_output(self, tmp_path: Path) -> None:
        program = self.program(tmp_path, "echo etcd Version: 3.5.12")
        assert binary_version(program, [], r"etcd Version: (\d+\.\d+\.\d+)") == (3, 5, 12)

    @pytest.mark.parametrize("script", ["echo hello", "echo Version: 1.2.3; exit 1", "kill -9 $$"])
    def test_another_program_of_that_name_is_not_taken(self, tmp_path: Path, script: str) -> None:
        with pytest.raises(RouteUnavailableError):
            binary_version(self.program(tmp_path, script), [], r"Version: (\d+\.\d+\.\d+)")

    def test_a_version_is_written_with_dots(self) -> None:
        assert dotted((1, 20, 2)) == "1.20.2"


class TestCache:
    def test_a_part_is_built_once(self, tmp_path: Path) -> None:
        builds: list[Path] = []

        def build(target: Path) -> None:
            builds.append(target)
            (target / "program").write_text("x")

        cache = Cache(tmp_path)
        first = cache.ensure("etcd", "1", build)
        assert cache.ensure("etcd", "1", build) == first
        assert (len(builds), (first / "program").read_text()) == (1, "x")

    def test_a_build_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        def build(target: Path) -> None:
            (target / "half").write_text("x")
            raise RouteUnavailableError("broken")

        cache = Cache(tmp_path)
        with pytest.raises(RouteUnavailableError):
            cache.ensure("etcd", "1", build)
        assert not cache.has("etcd", "1")
        assert not list((tmp_path / "building").iterdir())

    def test_the_rest_of_a_killed_build_is_thrown_away(self, tmp_path: Path) -> None:
        leftover = tmp_path / "building" / "etcd-1"
        leftover.mkdir(parents=True)
        (leftover / "half").write_text("x")
        entry = Cache(tmp_path).ensure("etcd", "1", _nothing)
        assert not (entry / "half").exists()

    def test_two_builds_of_one_part_wait_for_each_other(self, tmp_path: Path) -> None:
        inside = threading.Event()
        release = threading.Event()
        builds: list[str] = []

        def build(target: Path) -> None:
            builds.append(target.name)
            inside.set()
            assert release.wait(10)

        ensure = partial(Cache(tmp_path).ensure, "etcd", "1", build)
        threads = [threading.Thread(target=ensure) for _ in range(2)]
        threads[0].start()
        assert inside.wait(10)
        threads[1].start()
        release.set()
        for thread in threads:
            thread.join(10)
        assert len(builds) == 1

    def test_only_the_wanted_files_are_kept(self, tmp_path: Path) -> None:
        deep = tmp_path / "usr" / "bin"
        deep.mkdir(parents=True)
        (deep / "etcd").write_text("x")
        keep_only(tmp_path, {"etcd": deep / "etcd"})
        assert [path.name for path in tmp_path.iterdir()] == ["etcd"]
        assert (tmp_path / "etcd").stat().st_mode & 0o111


class TestDownloads:
    @pytest.fixture
    def served(self, tmp_path: Path) -> Iterator[tuple[Path, str]]:
        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Writes nothing."""

        folder = tmp_path / "served"
        folder.mkdir()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
        server.server_close()

    def release(self, folder: Path, base: str) -> Release:
        with tarfile.open(folder / "etcd.tar.gz", "w:gz") as tar:
            entry = tarfile.TarInfo("etcd-v9/etcd")
            entry.size = 7
            tar.addfile(entry, io.BytesIO(b"program"))
        digest = hashlib.sha256((folder / "etcd.tar.gz").read_bytes()).hexdigest()
        return Release(
            "etcd", "9", f"{base}/etcd.tar.gz", "sha256", digest, {"etcd": "etcd-v9/etcd"}
        )

    def test_a_release_is_checked_and_unpacked(
        self, tmp_path: Path, served: tuple[Path, str]
    ) -> None:
        target = tmp_path / "target"
        target.mkdir()
        fetch_release(self.release(*served), target)
        assert (target / "etcd").read_bytes() == b"program"
        assert (target / "etcd").stat().st_mode & 0o111
        assert [path.name for path in target.iterdir()] == ["etcd"]

    def test_a_wrong_checksum_is_refused(self, tmp_path: Path, served: tuple[Path, str]) -> None:
        release = replace(self.release(*served), digest="0" * 64)
        with pytest.raises(RouteUnavailableError, match="checksum"):
            fetch_release(release, tmp_path)

    def test_a_missing_member_is_refused(self, tmp_path: Path, served: tuple[Path, str]) -> None:
        release = replace(self.release(*served), members={"etcd": "elsewhere"})
        with pytest.raises(RouteUnavailableError, match="elsewhere"):
            fetch_release(release, tmp_path)

    def test_a_refused_download_falls_through(self, tmp_path: Path) -> None:
        release = Release("x", "1", "http://127.0.0.1:9/x", "sha256", "0", {})
        with pytest.raises(RouteUnavailableError, match=r"127\.0\.0\.1:9"):
            fetch_release(release, tmp_path)

    @pytest.mark.parametrize("release", [downloads.KUBERNETES, downloads.ETCD, downloads.MONGOD])
    def test_every_release_has_a_whole_digest(self, release: Release) -> None:
        assert len(bytes.fromhex(release.digest)) == hashlib.new(release.algorithm).digest_size
        assert release.version in release.url


class TestRefusals:
    """What is remembered about a release that could not be had."""

    @pytest.mark.parametrize(
        ("later", "tried_again"), [(0.0, False), (23.9, False), (24.1, True), (-1.0, True)]
    )
    def test_a_refusal_counts_for_a_day(
        self, tmp_path: Path, later: float, tried_again: bool
    ) -> None:
        began = 1_800_000_000.0
        Refusals(tmp_path, lambda: began).note(downloads.ETCD, "no such host")
        refusals = Refusals(tmp_path, lambda: began + later * 3600)
        with (
            nullcontext() if tried_again else pytest.raises(RouteUnavailableError, match="no such")
        ):
            refusals.check(downloads.ETCD)
        refusals.check(downloads.KUBERNETES)

    def test_a_damaged_note_counts_for_nothing(self, tmp_path: Path) -> None:
        refusals = Refusals(tmp_path)
        refusals.note(downloads.ETCD, "no such host")
        for note in tmp_path.iterdir():
            note.write_text("[")
        refusals.check(downloads.ETCD)


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
        return Workshop(Cache(tmp_path / "cache"), Debian(tmp_path / "log"), silent)

    def put(self, folder: Path, name: str, prints: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\necho '{prints}'\n")
        (folder / name).chmod(0o755)

    def test_a_release_is_tried_before_the_registries(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        for provision in (etcd.provision_etcd, kubernetes.provision_kubernetes):
            tried.clear()
            with pytest.raises(PlatformError):
                provision(self.workshop(tmp_path))
            assert tried == ["official release", "Debian"]

    def put_cached(self, tmp_path: Path, part: str, key: str, *names: str) -> None:
        for name in names:
            self.put(tmp_path / "cache" / "parts" / part / key, name, "")

    def test_a_release_is_tried_before_an_older_build_in_the_cache(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        self.put_cached(tmp_path, "etcd", etcd.DEBIAN_KEY, "etcd")
        self.put_cached(tmp_path, "kubernetes", kubernetes.DEBIAN_KEY, *kubernetes.NAMES)
        for provision in (etcd.provision_etcd, kubernetes.provision_kubernetes):
            tried.clear()
            assert provision(self.workshop(tmp_path)).source == "cache"
            assert tried == ["official release"]

    def test_a_release_in_the_cache_is_taken_without_a_try(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        self.put_cached(tmp_path, "etcd", etcd.DEBIAN_KEY, "etcd")
        self.put_cached(tmp_path, "etcd", release_entry(downloads.ETCD), "etcd")
        found = etcd.provision_etcd(self.workshop(tmp_path))
        assert (found.version, found.source, tried) == (downloads.ETCD.version, "cache", [])

    def test_a_refused_release_is_not_tried_at_every_start_and_that_is_said(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        self.put_cached(tmp_path, "etcd", etcd.DEBIAN_KEY, "etcd")
        said: list[str] = []
        workshop = replace(self.workshop(tmp_path), report=said.append)
        for _ in range(2):
            assert etcd.provision_etcd(workshop).source == "cache"
        assert tried == ["official release"]
        (why,) = [line for line in said if "is not tried" in line]
        assert downloads.ETCD.version in why and "24 h" in why and "refused" in why

    def test_a_refused_release_is_tried_again_where_a_build_would_take_minutes(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        for _ in range(2):
            with pytest.raises(PlatformError):
                kubernetes.provision_kubernetes(self.workshop(tmp_path))
        assert tried == ["official release", "Debian"] * 2

    def test_a_program_that_cannot_open_the_data_is_passed_over_unfetched(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        self.put_cached(tmp_path, "etcd", etcd.DEBIAN_KEY, "etcd")
        versions = used_by(tmp_path, {"etcd": "3.4"})
        said: list[str] = []
        workshop = replace(self.workshop(tmp_path), report=said.append, data=versions)
        assert etcd.provision_etcd(workshop).version == "3.4"
        assert tried == []
        assert any(f"etcd 3.4, which etcd {downloads.ETCD.version} cannot" in line for line in said)

    def test_data_that_no_program_here_opens_are_refused_in_one_sentence(
        self, tmp_path: Path
    ) -> None:
        self.put_cached(tmp_path, "etcd", etcd.DEBIAN_KEY, "etcd")
        workshop = replace(self.workshop(tmp_path), data=used_by(tmp_path, {"etcd": "3.6.5"}))
        with pytest.raises(PlatformError) as refused:
            etcd.provision_etcd(workshop)
        assert str(refused.value) == (
            f"the data in {tmp_path / 'data'} are those of etcd 3.6, which etcd 3.4 cannot open:"
            " put etcd 3.6 on PATH, give another --data-dir, or delete the data with `make reset`"
        )

    def test_the_assets_folder_is_taken_before_the_cache(self, tmp_path: Path) -> None:
        self.put(tmp_path / "cache" / "parts" / "etcd" / etcd.DEBIAN_KEY, "etcd", "")
        self.put(tmp_path / "assets", "etcd", "etcd Version: 3.5.1")
        assert etcd.provision_etcd(self.workshop(tmp_path)).source == "KUBEBUILDER_ASSETS"

    def test_path_is_taken_before_the_assets_folder(self, tmp_path: Path) -> None:
        self.put(tmp_path / "assets", "etcd", "etcd Version: 3.5.1")
        self.put(tmp_path / "path", "etcd", "etcd Version: 3.6.0")
        assert etcd.provision_etcd(self.workshop(tmp_path)).version == "3.6.0"

    def test_a_program_that_is_too_old_is_passed_over(self, tmp_path: Path) -> None:
        self.put(tmp_path / "path", "etcd", "etcd Version: 3.3.9")
        self.put(tmp_path / "assets", "etcd", "etcd Version: 3.5.1")
        assert etcd.provision_etcd(self.workshop(tmp_path)).source == "KUBEBUILDER_ASSETS"

    def test_an_api_server_without_its_controller_manager_is_passed_over(
        self, tmp_path: Path
    ) -> None:
        self.put(tmp_path / "assets", "kube-apiserver", "Kubernetes v1.34.1")
        with pytest.raises(PlatformError, match="no kube-controller-manager"):
            kubernetes.provision_kubernetes(self.workshop(tmp_path))

    def test_a_node_takes_newer_programs_from_the_assets_folder(self, tmp_path: Path) -> None:
        for name in (*kubernetes.NAMES, *kubernetes.NODE_NAMES):
            self.put(tmp_path / "assets", name, "Kubernetes v1.34.7")
        self.put_cached(tmp_path, "kubernetes-node", kubernetes.DEBIAN_KEY, "pause")
        found = kubernetes.provision_node_kubernetes(self.workshop(tmp_path))
        assert (found.version, found.source) == ("1.34.7", "KUBEBUILDER_ASSETS")
        assert set(found.files) == {*kubernetes.NAMES, *kubernetes.NODE_NAMES, "pause"}

    def test_a_node_tries_the_release_before_the_cached_build(
        self, tmp_path: Path, tried: list[str]
    ) -> None:
        names = (*kubernetes.NODE_NAMES, "pause")
        self.put_cached(tmp_path, "kubernetes", kubernetes.DEBIAN_KEY, *kubernetes.NAMES)
        self.put_cached(tmp_path, "kubernetes-node", kubernetes.DEBIAN_KEY, *names)
        found = kubernetes.provision_node_kubernetes(self.workshop(tmp_path))
        assert (found.version, tried) == (kubernetes.DEBIAN_VERSION, ["official release"])
        assert set(found.files) == {*kubernetes.NAMES, *names}

    def test_a_kubelet_that_wants_another_container_runtime_is_passed_over(
        self, tmp_path: Path
    ) -> None:
        for name in (*kubernetes.NAMES, *kubernetes.NODE_NAMES):
            self.put(tmp_path / "assets", name, "Kubernetes v1.36.0")
        with pytest.raises(PlatformError, match=r"kubelet 1\.36\.0 needs containerd 2"):
            kubernetes.provision_node_kubernetes(self.workshop(tmp_path))
        release = tuple(int(number) for number in downloads.KUBERNETES_NODE.version.split("."))
        assert release[:2] <= kubernetes.NEWEST_NODE

    def test_a_control_plane_of_two_versions_is_passed_over(self, tmp_path: Path) -> None:
        self.put(tmp_path / "assets", "kube-apiserver", "Kubernetes v1.34.1")
        self.put(tmp_path / "assets", "kube-controller-manager", "Kubernetes v1.33.1")
        with pytest.raises(PlatformError, match="differ in version"):
            kubernetes.provision_kubernetes(self.workshop(tmp_path))


class TestLocks:
    def test_a_changed_lock_gives_another_key(self, tmp_path: Path) -> None:
        lock = tmp_path / "models.txt"
        lock.write_text("numpy==1.26.4\n")
        before = lock_digest([lock])
        lock.write_text("numpy==1.26.5\n")
        assert lock_digest([lock]) != before

    def test_the_pinned_version_is_found(self, tmp_path: Path) -> None:
        lock = tmp_path / "lock.txt"
        lock.write_text("a==1 \\\n    --hash=x\nb-c==2.0 \\\n")
        assert pinned_version(lock, "b-c") == "2.0"
        with pytest.raises(PlatformError, match="does not pin d"):
            pinned_version(lock, "d")


class TestCommands:
    def test_steps_are_reported_and_output_is_logged(self, tmp_path: Path) -> None:
        steps: list[str] = []
        log = tmp_path / "logs" / "x.log"
        run_logged(["sh", "-c", "echo step: one; echo two"], log=log, report=steps.append)
        assert steps == ["one"]
        assert "two\n" in log.read_text()

    def test_a_failure_shows_the_end_of_the_output(self, tmp_path: Path) -> None:
        with pytest.raises(RouteUnavailableError, match="no such thing"):
            run_logged(["sh", "-c", "echo no such thing; exit 3"], log=tmp_path / "x.log")

    def test_a_missing_program_is_no_crash(self, tmp_path: Path) -> None:
        with pytest.raises(RouteUnavailableError, match="does not run"):
            run_logged(["/no/such/program"], log=tmp_path / "x.log")
