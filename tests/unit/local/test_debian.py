"""The pinned Debian release: an apt of its own, missing libraries, the pinned Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision import debian as debian_module
from imagerift_local.provision import python
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import (
    ARCHIVE_VARIABLE,
    Archive,
    Debian,
    parse_archive,
)
from imagerift_local.provision.libraries import (
    FOLDER,
    complete_libraries,
    library_environment,
    missing_libraries,
)
from imagerift_local.provision.wheels import RUNNER

if sys.platform != "linux":
    pytest.skip("Debian's packages are unpacked on Linux alone", allow_module_level=True)


def addresses(*places: str) -> str:
    """What `apt-get --print-uris update` says about releases at `address/dists/suite`."""
    lines = [
        f"'{place}/InRelease' {place[7:].replace('/', '_')}_InRelease 0 \n" for place in places
    ]
    return "".join(lines)


DEBIAN_13 = addresses(
    "https://vendor.example/debian/dists/trixie",
    "http://mirror.example/debian/dists/trixie",
    "http://mirror.example/debian/dists/trixie-updates",
    "http://mirror.example/debian-security/dists/trixie-security",
)
UBUNTU = addresses(
    "http://archive.example/ubuntu/dists/noble",
    "http://archive.example/ubuntu/dists/noble-updates",
    "https://vendor.example/linux/debian/dists/stable",
)


def put(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


class TestArchive:
    def test_another_release_of_debian_leads_to_the_archive(self) -> None:
        assert parse_archive(DEBIAN_13) == Archive(
            "http://mirror.example/debian", "http://mirror.example/debian-security"
        )

    def test_a_machine_that_is_no_debian_leads_to_none(self) -> None:
        assert parse_archive(UBUNTU) is None
        assert parse_archive("") is None

    def test_a_root_that_was_just_made_leads_to_the_archive(self) -> None:
        made = addresses("http://mirror.example/debian/dists/trixie")
        assert parse_archive(made) == Archive("http://mirror.example/debian")

    def test_the_pinned_release_is_asked_for_whatever_the_machine_has(self) -> None:
        assert Archive("http://a/debian", "http://a/debian-security").sources() == (
            "deb http://a/debian bookworm main\n"
            "deb-src http://a/debian bookworm main\n"
            "deb http://a/debian bookworm-updates main\n"
            "deb-src http://a/debian bookworm-updates main\n"
            "deb http://a/debian-security bookworm-security main\n"
            "deb-src http://a/debian-security bookworm-security main\n"
        )

    def test_the_setting_wins_and_what_apt_knows_of_debian_comes_last(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv(ARCHIVE_VARIABLE, raising=False)
        described = tmp_path / "Debian.info"
        monkeypatch.setattr(debian_module, "DISTRIBUTIONS", described)
        debian = Debian(tmp_path)
        put(tmp_path, "apt-get", f'printf "{UBUNTU}"')
        with pytest.raises(RouteUnavailableError, match=f"set {ARCHIVE_VARIABLE} to"):
            debian.archive()
        described.write_text(
            "Suite: bookworm-security\nBaseURI: http://known.example/debian-security/\n\n"
            "Suite: bookworm\nBaseURI: http://known.example/debian/\n"
        )
        assert debian.archive() == Archive("http://known.example/debian")
        put(tmp_path, "apt-get", f'printf "{DEBIAN_13}"')
        assert debian.archive().main == "http://mirror.example/debian"
        monkeypatch.setenv(ARCHIVE_VARIABLE, "http://near.example/debian/")
        assert debian.archive() == Archive("http://near.example/debian")


class TestOwnApt:
    @pytest.fixture
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A machine whose apt has a proxy, hooks and sources; it writes down how it is called."""
        programs = tmp_path / "programs"
        calls = tmp_path / "calls"
        put(
            programs,
            "apt-get",
            f'echo "$APT_CONFIG $@" >> {calls}\n[ "$2" != download ] || : > x.deb',
        )
        put(programs, "dpkg-deb", 'mkdir -p "$3/usr" && : > "$3/usr/unpacked"')
        put(
            programs,
            "apt-config",
            "echo 'Acquire::http::Proxy \"http://proxy.example\";'\n"
            "echo 'Acquire::IndexTargets::deb::Contents \"on\";'",
        )
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        return calls

    @pytest.mark.usefixtures("machine")
    def test_everything_lies_in_the_cache_and_a_proxy_stays(self, tmp_path: Path) -> None:
        cache = tmp_path / "cache"
        debian = Debian(cache)
        debian.update()
        text = Path(debian.environment["APT_CONFIG"]).read_text()
        settings = dict(line.rstrip(";").split(" ", 1) for line in text.splitlines())
        for name, value in settings.items():
            if name.startswith("Dir::"):
                assert value.strip('"').startswith((str(cache), "/dev/null")), name
        assert settings["Acquire::http::Proxy"] == '"http://proxy.example"'
        assert "IndexTargets" not in text
        assert (cache / "debian" / "bookworm" / "state" / "status").read_text() == ""

    @pytest.mark.usefixtures("machine")
    def test_another_release_has_lists_of_its_own(self, tmp_path: Path) -> None:
        for release in ("bookworm", "trixie"):
            Debian(tmp_path, release).update()
            sources = tmp_path / "debian" / release / "sources.list"
            suites = {line.split()[2] for line in sources.read_text().splitlines()}
            assert release in suites
            assert all(suite.startswith(release) for suite in suites)

    def test_packages_are_unpacked_and_never_installed(self, tmp_path: Path, machine: Path) -> None:
        debian = Debian(tmp_path / "cache")
        for name in ("first", "second"):
            debian.unpack(["etcd-server"], tmp_path / name)
            assert (tmp_path / name / "usr" / "unpacked").exists()
        conf = debian.environment["APT_CONFIG"]
        asked = [line for line in machine.read_text().splitlines() if "--print-uris" not in line]
        assert asked == [f"{conf} -q update", *[f"{conf} -q download etcd-server"] * 2]

    def test_what_a_package_depends_on_comes_without_the_c_library(
        self, tmp_path: Path, machine: Path
    ) -> None:
        put(
            tmp_path / "programs",
            "apt-get",
            f'echo "$@" >> {machine}\n'
            '[ "$2" != download ] || : > x.deb\n'
            '[ "$1" != -s ] || printf "Inst libc6 (2)\\nInst libssh2-1 (1)\\nInst libcurl4 (7)\\n"',
        )
        Debian(tmp_path / "cache").unpack(["libcurl4"], tmp_path / "root", dependencies=True)
        assert machine.read_text().splitlines()[-1] == "-q download libssh2-1 libcurl4"

    def test_a_machine_without_apt_is_told_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(RouteUnavailableError, match="apt-get and dpkg-deb missing"):
            Debian(tmp_path).update()


class TestLibraries:
    """A loader that finds what lies on LD_LIBRARY_PATH, and a package that brings three."""

    @pytest.fixture
    def unpacked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
        # libcurl is missing at first; once it is found, libssh2 is.
        put(
            tmp_path / "programs",
            "ldd",
            "for name in libcurl.so.4 libssh2.so.1; do\n"
            '  found=; for folder in $(echo $LD_LIBRARY_PATH | tr : " "); do\n'
            "    [ -e $folder/$name ] && found=1; done\n"
            '  [ -n "$found" ] || { echo "  $name => not found"; exit 0; }\n'
            "done",
        )
        monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}:/usr/bin:/bin")
        asked: list[Sequence[str]] = []

        def unpack(
            self: Debian, packages: Sequence[str], target: Path, *, dependencies: bool = False
        ) -> None:
            assert dependencies
            asked.append(packages)
            folder = target / "usr" / "lib"
            folder.mkdir(parents=True)
            for name in ("libcurl.so.4.8", "libssh2.so.1", "libzstd.so.1"):
                (folder / name).write_text(name)
            (folder / "libcurl.so.4").symlink_to("libcurl.so.4.8")

        monkeypatch.setattr(Debian, "unpack", unpack)
        return asked

    def test_what_is_missing_and_what_that_needs_come_beside_the_program(
        self, tmp_path: Path, unpacked: list[Sequence[str]]
    ) -> None:
        program = tmp_path / "entry" / "mongod"
        complete_libraries(Debian(tmp_path), [program], program.parent / FOLDER)
        assert unpacked == [["libcurl4"]]
        placed = {path.name: path.read_text() for path in (program.parent / FOLDER).iterdir()}
        assert placed == {"libcurl.so.4": "libcurl.so.4.8", "libssh2.so.1": "libssh2.so.1"}
        assert [path.name for path in program.parent.iterdir()] == [FOLDER]
        assert library_environment(program) == {"LD_LIBRARY_PATH": str(program.parent / FOLDER)}

    def test_a_machine_that_has_everything_gets_nothing(
        self, tmp_path: Path, unpacked: list[Sequence[str]]
    ) -> None:
        has = tmp_path / "has"
        for name in ("libcurl.so.4", "libssh2.so.1"):
            put(has, name, "")
        program = tmp_path / "entry" / "mongod"
        complete_libraries(Debian(tmp_path), [program], program.parent / FOLDER, search=str(has))
        assert (unpacked, program.parent.exists()) == ([], False)
        assert library_environment(program) == {}

    @pytest.mark.usefixtures("unpacked")
    def test_a_library_that_no_package_is_known_to_bring_is_named(self, tmp_path: Path) -> None:
        put(tmp_path / "programs", "ldd", "echo '  libcuda.so.1 => not found'")
        with pytest.raises(RouteUnavailableError, match=r"mongod needs libcuda\.so\.1"):
            complete_libraries(Debian(tmp_path), [tmp_path / "mongod"], tmp_path / FOLDER)

    def test_the_loader_of_this_machine_is_understood(self) -> None:
        assert missing_libraries([Path("/bin/sh").resolve()]) == frozenset()


class TestPython:
    def answer(self, folder: Path, version: str = "3.11.9") -> str:
        return f"""echo '["{version}", "/somewhere/python3.11", ["/nowhere", "{folder}"]]'"""

    def test_an_interpreter_is_taken_with_its_library(self, tmp_path: Path) -> None:
        (tmp_path / python.LIBRARY).touch()
        found = python.inspect(put(tmp_path, "python3.11", self.answer(tmp_path)))
        assert found.version == "3.11.9"
        assert found.files["libraries"] == tmp_path

    def test_one_without_its_library_is_passed_over(self, tmp_path: Path) -> None:
        program = put(tmp_path, "python3.11", self.answer(tmp_path))
        with pytest.raises(RouteUnavailableError, match=python.LIBRARY):
            python.inspect(program)

    def test_one_that_lacks_a_module_is_passed_over(self, tmp_path: Path) -> None:
        with pytest.raises(RouteUnavailableError, match=r"python3\.11 does not do"):
            python.inspect(put(tmp_path, "python3.11", "exit 1"))

    def test_the_official_build_is_tried_before_debians(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[str] = []

        def refuse(name: str, error: str) -> object:
            def act(*arguments: object) -> None:
                tried.append(name)
                raise RouteUnavailableError(error)

            return act

        monkeypatch.setattr(python, "_found_on_path", refuse("PATH", "none"))
        monkeypatch.setattr(python, "_official", refuse("official", "refused"))

        def unpack(workshop: Workshop, target: Path) -> None:
            tried.append("Debian")
            (target / "python3.11").touch()
            (target / "python").symlink_to("python3.11")
            (target / "libraries").mkdir()

        monkeypatch.setattr(python, "_from_debian", unpack)
        monkeypatch.setattr(python, "_complete", lambda *_: tried.append("mended"))
        workshop = Workshop(Cache(tmp_path), Debian(tmp_path), lambda _: None)
        made = python.provision_python(workshop)
        assert made.source == "Debian package"
        # An environment made of the link would look for the modules beside the link.
        assert made.files["python"].name == "python3.11"
        assert tried == ["PATH", "official", "Debian", "mended"]
        # Another machine, or this one after a change, may lack what that one had.
        assert python.provision_python(workshop).source == "cache"
        assert tried[4:] == ["PATH", "mended"]

    def test_the_program_beside_an_environment_runs_it_with_its_libraries(
        self, tmp_path: Path
    ) -> None:
        put(tmp_path / "environment" / "bin", "python", 'echo "$LD_LIBRARY_PATH $@"')
        runner = tmp_path / "python"
        runner.write_text(RUNNER.replace("LIBRARIES", "/opt/lib"))
        runner.chmod(0o755)
        done = subprocess.run(
            [runner, "a b"],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": "/own"},
        )
        assert done.stdout == f"{tmp_path}/{FOLDER}:/opt/lib:/own a b\n"
