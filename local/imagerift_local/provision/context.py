"""What every provisioning module works with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.data_versions import DataVersions
from imagerift_local.errors import DataVersionError, PlatformError, RouteUnavailableError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.commands import CANCELLED, Report
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.downloads import Refusals, Release, fetch_release
from imagerift_local.provision.libraries import FOLDER, complete_libraries
from imagerift_local.provision.routes import Provision, Route
from imagerift_local.provision.wheels import find_uv


@dataclass(frozen=True)
class Workshop:
    """The cache, the package tools and where progress goes, for one part.

    `data`: the data that the part will be started on.
    """

    cache: Cache
    debian: Debian
    report: Report
    data: DataVersions | None = None

    @property
    def uv(self) -> Path:
        """The installer of Python packages."""
        return find_uv(self.cache.root)

    def log(self, part: str) -> Path:
        """Log file of the provisioning of `part`."""
        return self.cache.root / "logs" / f"{part}.log"

    def complete(self, found: Provision) -> None:
        """Puts the shared libraries that the programs, all of one folder, miss beside them.

        Raises:
            RouteUnavailableError: a library is missing and cannot be had.
        """
        programs = list(found.files.values())
        complete_libraries(self.debian, programs, programs[0].parent / FOLDER)

    def first_found(self, part: str, routes: Sequence[Route]) -> Provision:
        """The result of the first route that works and can open the data that are there.

        Raises:
            PlatformError: there is none; the text says why for each route, or, where data are
                there that only another version opens, just that.
        """
        refusals = []
        unfit: DataVersionError | None = None
        for route in routes:
            try:
                if route.version is not None:
                    self._check(part, route.version)
                found = route.attempt()
                self._check(part, found.version)
            except RouteUnavailableError as refusal:
                refusals.append(f"  {route.name}: {refusal}")
                if isinstance(refusal, DataVersionError):
                    unfit = refusal
                continue
            if unfit is not None:
                self.report(f"{unfit}: passed over")
            self.report(f"{found.version} from {found.source}")
            return found
        if unfit is not None:
            raise PlatformError(str(unfit))
        raise PlatformError(f"{part} cannot be had on this machine:\n" + "\n".join(refusals))

    def _check(self, part: str, version: str) -> None:
        if self.data is not None:
            self.data.check(part, version)

    def release_route(self, release: Release, *, otherwise: str) -> Route:
        """Takes an official release from the cache, or downloads it into the cache.

        `otherwise` is the cache key of what the next routes lead to. Where that is there already, a
        download that was refused is not tried again for a day.
        """
        refusals = Refusals(self.cache.root / "refused")

        def build(target: Path) -> None:
            if self.cache.has(release.part, otherwise):
                try:
                    refusals.check(release)
                except RouteUnavailableError as error:
                    self.report(f"the official release {release.version} is not tried: {error}")
                    raise
            self.report(f"trying the official release {release.version}")
            try:
                fetch_release(release, target)
            except RouteUnavailableError as error:
                if not CANCELLED.is_set():
                    refusals.note(release, str(error))
                raise

        return self.built_route(
            "official release",
            part=release.part,
            key=release.key,
            version=release.version,
            names=tuple(release.members),
            build=build,
            complete=self.complete,
        )

    def built_route(
        self,
        name: str,
        *,
        part: str,
        key: str,
        version: str,
        names: tuple[str, ...],
        build: Callable[[Path], None],
        complete: Callable[[Provision], None] | None = None,
    ) -> Route:
        """Takes what an earlier start put into the cache, or makes it there with `build`.

        `complete` adds the shared libraries that this machine lacks by now: the entry may have
        been made before the machine was changed, or on another one.
        """

        def attempt() -> Provision:
            cached = self.cache.has(part, key)
            entry = self.cache.ensure(part, key, build)
            found = _in_folder(entry, names, version, "cache" if cached else name)
            if complete is not None:
                complete(found)
            return found

        return Route(name, attempt, version)


def keep_only(target: Path, kept: Mapping[str, Path]) -> None:
    """Moves the files `kept` (name to present path) up into `target` and deletes all else."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        for name, path in kept.items():
            if not path.is_file():
                raise RouteUnavailableError(f"the package holds no {path.name}")
            path.rename(Path(scratch, name)).chmod(0o755)
        shutil.rmtree(target)
        target.mkdir()
        for name in kept:
            Path(scratch, name).rename(target / name)


def _in_folder(folder: Path, names: tuple[str, ...], version: str, source: str) -> Provision:
    files = {name: folder / name for name in names}
    for path in files.values():
        if not path.exists():
            raise RouteUnavailableError(f"{path} is missing: delete {folder}")
    return Provision(files=files, version=version, source=source)
