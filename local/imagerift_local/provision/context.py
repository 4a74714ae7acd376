"""What every provisioning module works with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.downloads import Release, fetch_release
from imagerift_local.provision.libraries import FOLDER, complete_libraries
from imagerift_local.provision.routes import Provision, Report, Route
from imagerift_local.provision.wheels import find_uv


@dataclass(frozen=True)
class Workshop:
    """The cache, the package tools and where progress goes, for one part."""

    cache: Cache
    debian: Debian
    report: Report

    @property
    def uv(self) -> Path:
        """The installer of Python packages."""
        return find_uv(self.cache.root)

    def log(self, part: str) -> Path:
        """Log file of the provisioning of `part`."""
        return self.cache.root / "logs" / f"{part}.log"

    def complete(self, programs: Sequence[Path]) -> None:
        """Puts the shared libraries that the programs of one folder miss beside them.

        Raises:
            RouteUnavailableError: a library is missing and cannot be had.
        """
        complete_libraries(self.debian, programs, programs[0].parent / FOLDER)

    def release_route(self, release: Release) -> Route:
        """Downloads an official release into the cache."""

        def build(target: Path) -> None:
            self.report(f"trying the official release {release.version}")
            fetch_release(release, target)
            self.complete([target / name for name in release.members])

        def attempt() -> Provision:
            version = release_entry(release)
            entry = self.cache.ensure(release.part, version, build)
            return _in_folder(entry, tuple(release.members), release.version, "official release")

        return Route("official release", attempt)

    def cached_route(
        self,
        part: str,
        names: tuple[str, ...],
        entries: tuple[tuple[str, str], ...],
        *,
        complete: Callable[[Provision], None] | None = None,
    ) -> Route:
        """Takes what an earlier start put into the cache: (cache key, version) pairs in order.

        `complete` mends what this machine lacks by now: the entry may have been made before the
        machine was changed, or on another one.
        """

        def attempt() -> Provision:
            for key, version in entries:
                if self.cache.has(part, key):
                    found = _in_folder(self.cache.entry(part, key), names, version, "cache")
                    if complete is not None:
                        complete(found)
                    return found
            raise RouteUnavailableError("nothing there yet")

        return Route("cache", attempt)

    def built_route(
        self,
        name: str,
        *,
        part: str,
        key: str,
        version: str,
        names: tuple[str, ...],
        build: Callable[[Path], None],
    ) -> Route:
        """Makes the part with `build` in the cache."""

        def attempt() -> Provision:
            entry = self.cache.ensure(part, key, build)
            return _in_folder(entry, names, version, name)

        return Route(name, attempt)


def release_entry(release: Release) -> str:
    """The cache key of an official release."""
    return f"{release.version}-release"


def assets_folder() -> str:
    """The folder of control-plane programs in the environment, by the convention of envtest."""
    return os.environ.get("KUBEBUILDER_ASSETS", "")


def keep_only(target: Path, kept: dict[str, Path]) -> None:
    """Moves the files `kept` (name to present path) up into `target` and deletes all else."""
    staging = target / ".kept"
    staging.mkdir()
    for name, path in kept.items():
        if not path.is_file():
            raise RouteUnavailableError(f"the package holds no {path.name}")
        shutil.move(path, staging / name)
        (staging / name).chmod(0o755)
    for entry in target.iterdir():
        if entry == staging:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for path in staging.iterdir():
        path.rename(target / path.name)
    staging.rmdir()


def _in_folder(folder: Path, names: tuple[str, ...], version: str, source: str) -> Provision:
    files = {name: folder / name for name in names}
    for path in files.values():
        if not path.exists():
            raise RouteUnavailableError(f"{path} is missing: delete {folder}")
    return Provision(files=files, version=version, source=source)
