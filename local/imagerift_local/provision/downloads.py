"""Official release archives, checked against a checksum that is written here, or refused."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import CANCELLED

CONNECT_TIMEOUT = 5.0
CHUNK = 1 << 20
HOUR = 3600.0
RETRY_SECONDS = 24 * HOUR


@dataclass(frozen=True)
class Release:
    """One archive of an official release.

    `members` maps the names that the part needs to the paths inside the archive.
    """

    part: str
    version: str
    url: str
    algorithm: str
    digest: str
    members: Mapping[str, str]

    @property
    def key(self) -> str:
        """Where it is in the cache, below its part."""
        return f"{self.version}-release"


def fetch_release(release: Release, target: Path) -> None:
    """Downloads the archive, checks it, and puts its members into the folder `target`.

    One try: a machine that may not reach the host must go on to the next route at once.

    Raises:
        RouteUnavailableError: the download was refused, or is not what it should be.
    """
    archive = target / "archive.tar.gz"
    try:
        with (
            urllib.request.urlopen(release.url, timeout=CONNECT_TIMEOUT) as response,  # noqa: S310
            archive.open("wb") as file,
        ):
            while not CANCELLED.is_set() and (chunk := response.read(CHUNK)):
                file.write(chunk)
    except (OSError, ValueError) as error:
        raise RouteUnavailableError(f"{release.url}: {error}") from error
    with archive.open("rb") as file:
        if hashlib.file_digest(file, release.algorithm).hexdigest() != release.digest:
            raise RouteUnavailableError(f"{release.url}: the checksum does not match")
    try:
        with tarfile.open(archive) as tar:
            for name, member in release.members.items():
                # A file, in an archive whose checksum is known.
                source = cast(IO[bytes], tar.extractfile(member))
                with (target / name).open("wb") as file:
                    shutil.copyfileobj(source, file)
                (target / name).chmod(0o755)
    except (KeyError, tarfile.TarError) as error:
        raise RouteUnavailableError(f"{release.url}: {error}") from error
    archive.unlink()


@dataclass(frozen=True)
class Refusals:
    """Releases that could not be had: a small file for each, so that no start waits again."""

    folder: Path

    def note(self, release: Release, reason: str) -> None:
        """Remembers that the release could not be had now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(release).write_text(reason)

    def check(self, release: Release) -> None:
        """Passes unless the release was refused within a day.

        Raises:
            RouteUnavailableError: it was; the text says when it is tried again.
        """
        path = self._path(release)
        age = time.time() - path.stat().st_mtime if path.exists() else RETRY_SECONDS
        if 0 <= age < RETRY_SECONDS:
            raise RouteUnavailableError(
                f"{path.read_text()} ({age / HOUR:.0f} h ago; the next try is in"
                f" {(RETRY_SECONDS - age) / HOUR:.0f} h, or now without {path})"
            )

    def _path(self, release: Release) -> Path:
        return self.folder / f"{release.part}-{release.version}"
