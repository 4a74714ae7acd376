"""The order of the ways to get a part, the cache, and downloads."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from imagerift_local.errors import PlatformError, RouteUnavailableError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop, keep_only
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.downloads import Release, fetch_release
from imagerift_local.provision.programs import PROGRAMS
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
)
from imagerift_local.provision.wheels import lock_digest, pinned_version

RELEASES = [program.release for program in PROGRAMS.values() if program.release]


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
    def workshop(self, tmp_path: Path) -> Workshop:
        return Workshop(Cache(tmp_path), Debian(tmp_path), silent)

    def test_the_first_route_that_works_wins(self, tmp_path: Path) -> None:
        calls: list[str] = []
        routes = [leads_nowhere("a", calls), leads_to("b", calls), leads_to("c", calls)]
        assert self.workshop(tmp_path).first_found("x", routes).source == "b"
        assert calls == ["a", "b"]

    def test_without_any_route_every_reason_is_told(self, tmp_path: Path) -> None:
        routes = [leads_nowhere("a", []), leads_nowhere("b", [])]
        with pytest.raises(PlatformError) as refusal:
            self.workshop(tmp_path).first_found("x", routes)
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

    @pytest.mark.parametrize("release", RELEASES)
    def test_every_release_has_a_whole_digest(self, release: Release) -> None:
        assert len(bytes.fromhex(release.digest)) == hashlib.new(release.algorithm).digest_size
        assert release.version in release.url


class TestLocks:
    def interpreter(self, path: str, version: str) -> Provision:
        return Provision({"python": Path(path)}, version, "PATH")

    def test_a_changed_lock_or_interpreter_gives_another_key(self, tmp_path: Path) -> None:
        lock = tmp_path / "models.txt"
        lock.write_text("numpy==1.26.4\n")
        python = self.interpreter("/usr/bin/python3.11", "3.11.2")
        before = lock_digest([lock], python)
        assert lock_digest([lock], self.interpreter("/opt/bin/python3.11", "3.11.2")) != before
        assert lock_digest([lock], self.interpreter("/usr/bin/python3.11", "3.11.7")) != before
        lock.write_text("numpy==1.26.5\n")
        assert lock_digest([lock], python) != before

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
