"""Packages of the one pinned Debian release, through an apt of its own; nothing is installed.

The machine's own release plays no part: package lists, downloads, keys and the list of installed
packages (which is empty) lie in the cache. Of the machine's apt only the way to an archive is
taken: the mirror, when it is a Debian, and settings like a proxy's.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import ask, run_logged

SUITE = "bookworm"
ARCHIVE_VARIABLE = "IMAGERIFT_DEBIAN_MIRROR"
# Debian's releases as Ubuntu's and others' apt (python-apt-common) describes them.
DISTRIBUTIONS = Path("/usr/share/python-apt/templates/Debian.info")
# As the package debian-archive-keyring has them.
KEYS = Path(__file__).with_name("keys")
APT_CONF = Path(__file__).with_name("apt.conf")
# Never unpacked beside a program: the C library has to be the one of the running machine's loader.
C_LIBRARY = frozenset({"libc6", "libc-bin", "libc-l10n", "locales"})
# Of the machine's settings: proxies, certificates and the like, not what is fetched.
_OWN_ACQUIRE = re.compile(r"^Acquire::(?!IndexTargets|Languages|GzipIndexes|Changelogs)\S")
_BASE = re.compile(r"^BaseURI:\s*(https?://\S+/debian)/?\s*$", re.MULTILINE)
_RELEASE = re.compile(r"^'(\S+?)/dists/([^/\s]+)/InRelease'", re.MULTILINE)


@dataclass(frozen=True)
class Archive:
    """Addresses of the archive; without `security`, security updates come with point releases."""

    main: str
    security: str = ""

    def sources(self, release: str = SUITE) -> str:
        """A list of sources for apt, with packages and their sources."""
        places = [(self.main, release), (self.main, f"{release}-updates")]
        if self.security:
            places.append((self.security, f"{release}-security"))
        return "".join(
            f"{kind} {address} {suite} main\n"
            for address, suite in places
            for kind in ("deb", "deb-src")
        )


class Debian:
    """A release, the pinned one unless said otherwise; used by one thread and one process at a
    time, for each cache."""

    def __init__(self, cache_root: Path, release: str = SUITE) -> None:
        self._release = release
        self._root = cache_root / "debian" / release
        self._log = cache_root / "logs" / "debian.log"
        self._lock = FileLock(cache_root / "locks" / "debian.lock")
        self._updated = False

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which every program of apt works with the pinned release."""
        return {
            **os.environ,
            "APT_CONFIG": str(self._root / "apt.conf"),
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C",
        }

    def archive(self) -> Archive:
        """Where packages come from: as set, as this machine's apt has it, or as it knows Debian.

        Raises:
            RouteUnavailableError: nothing here names an archive of Debian.
        """
        chosen = os.environ.get(ARCHIVE_VARIABLE)
        if chosen:
            return Archive(chosen.rstrip("/"))
        of_machine = parse_archive(_ask(["apt-get", "--print-uris", "update"]))
        if of_machine:
            return of_machine
        described = DISTRIBUTIONS.read_text() if DISTRIBUTIONS.is_file() else ""
        base = _BASE.search(described)
        if base is None:
            raise RouteUnavailableError(
                "this machine's apt names no archive of Debian: "
                f"set {ARCHIVE_VARIABLE} to the address of a mirror near you, or install "
                "python-apt-common"
            )
        return Archive(base[1])

    def update(self) -> None:
        """Brings the package lists up to date, once in the life of this object.

        Raises:
            RouteUnavailableError: there is no apt, or no archive can be reached.
        """
        missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
        if missing:
            raise RouteUnavailableError(
                f"{' and '.join(missing)} missing: install apt, or give the program on PATH"
            )
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._root.mkdir(parents=True, exist_ok=True)
        Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if not self._updated:
                self._configure()
                self._run(["apt-get", "-q", "update"])
                self._updated = True

    def unpack(self, packages: Sequence[str], target: Path, *, dependencies: bool = False) -> None:
        """Downloads packages and unpacks them below `target`.

        With `dependencies` everything that they depend on comes too, but for the C library.

        Raises:
            RouteUnavailableError: a package cannot be had.
        """
        self.update()
        downloads = target / "debs"
        downloads.mkdir(parents=True)
        with self._lock:
            wanted = self._closure(packages) if dependencies else packages
            self._run(["apt-get", "-q", "download", *wanted], folder=downloads)
        for package in sorted(downloads.glob("*.deb")):
            self._run(["dpkg-deb", "-x", str(package), str(target)])
            package.unlink()
        downloads.rmdir()

    def _closure(self, packages: Sequence[str]) -> list[str]:
        install = ["apt-get", "-s", "--no-install-recommends", "install", *packages]
        plan = _ask(install, self.environment)
        found = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
        if not found:
            raise RouteUnavailableError(
                f"{self._release} has no way to install {', '.join(packages)}"
            )
        return [package for package in found if package not in C_LIBRARY]

    def _configure(self) -> None:
        for folder in ("keys", "state/lists/partial", "cache/archives/partial", "empty"):
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        for key in KEYS.glob("*.asc"):
            shutil.copy2(key, self._root / "keys")
        (self._root / "state" / "status").touch()
        (self._root / "sources.list").write_text(self.archive().sources(self._release))
        taken = [
            line
            for line in _ask(["apt-config", "dump", "Acquire"]).splitlines()
            if _OWN_ACQUIRE.match(line)
        ]
        own = APT_CONF.read_text().format(root=self._root)
        (self._root / "apt.conf").write_text("\n".join([*taken, own]))

    def _run(self, command: Sequence[str], folder: Path | None = None) -> None:
        run_logged(command, log=self._log, folder=folder, environment=self.environment)


def parse_archive(addresses: str) -> Archive | None:
    """The Debian archive among the addresses that an apt would update its lists from.

    Any release's will do: an archive holds them all. A vendor's packages for Debian are told apart
    by what only the archive has, updates of a release, or by its place on its host.
    """
    found = _RELEASE.findall(addresses)
    updated = [place for place, suite in found if suite.endswith("-updates")]
    places = [
        place for place in (*updated, *(each for each, _ in found)) if place.endswith("/debian")
    ]
    for place in places:
        if place in updated or urlsplit(place).path == "/debian":
            security = [place for place, _ in found if place.endswith("/debian-security")]
            return Archive(place, security[0] if security else "")
    return None


def _ask(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    with suppress(RouteUnavailableError):
        return ask(command, environment).stdout
    return ""
