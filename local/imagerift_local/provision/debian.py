"""Debian packages: unpacked without being installed, and libraries that are installed."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import run_logged

# Which package brings a library that a part may miss on a bare Debian 12.
PACKAGE_OF_LIBRARY = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libexpat.so.1": "libexpat1",
    "libpython3.11.so.1.0": "libpython3.11",
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libz.so.1": "zlib1g",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libvulkan.so.1": "libvulkan1",
    "libomp.so.5": "libomp5-14",
}


class Debian:
    """apt, used by one thread at a time; the index is updated once and only when it is needed."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._updated = False

    def update(self) -> None:
        """Brings the package index up to date.

        Raises:
            RouteUnavailableError: there is no apt, or no archive can be reached.
        """
        with self._lock:
            if self._updated:
                return
            self._run(["apt-get", "-q", "-o", "Acquire::Retries=1", "update"])
            self._updated = True

    def unpack(self, packages: Sequence[str], target: Path) -> None:
        """Downloads packages and unpacks them below `target`; nothing is installed.

        Raises:
            RouteUnavailableError: a package cannot be had.
        """
        self.update()
        downloads = target / "debs"
        downloads.mkdir(parents=True)
        with self._lock:
            self._run(["apt-get", "-q", "download", *packages], folder=downloads)
        for archive in sorted(downloads.glob("*.deb")):
            self._run(["dpkg-deb", "-x", str(archive), str(target)])
            archive.unlink()
        downloads.rmdir()

    def install(self, packages: Sequence[str]) -> None:
        """Installs packages on the machine.

        Raises:
            RouteUnavailableError: a package cannot be had.
        """
        self.update()
        with self._lock:
            self._run(
                [
                    "apt-get",
                    "-q",
                    "-y",
                    "--no-install-recommends",
                    "-o",
                    "DPkg::Lock::Timeout=300",
                    "install",
                    *packages,
                ]
            )

    def complete_libraries(self, binary: Path, library_path: str = "") -> None:
        """Installs the shared libraries that `binary` misses.

        `library_path` is the LD_LIBRARY_PATH that the program will run with.

        Raises:
            RouteUnavailableError: a library is missing and no package is known to bring it.
        """
        missing = missing_libraries(binary, library_path)
        if not missing:
            return
        unknown = sorted(name for name in missing if name not in PACKAGE_OF_LIBRARY)
        if unknown:
            raise RouteUnavailableError(f"{binary} needs {', '.join(unknown)}")
        self.install(sorted({PACKAGE_OF_LIBRARY[name] for name in missing}))

    def _run(self, command: Sequence[str], folder: Path | None = None) -> None:
        run_logged(
            command,
            log=self._log,
            folder=folder,
            environment={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        )


def missing_libraries(binary: Path, library_path: str = "") -> frozenset[str]:
    """Names of the shared libraries that the loader cannot find for `binary`.

    Raises:
        RouteUnavailableError: `binary` is no program of this machine.
    """
    environment = {**os.environ, "LC_ALL": "C"}
    if library_path:
        environment["LD_LIBRARY_PATH"] = library_path
    try:
        result = subprocess.run(
            ["ldd", str(binary)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RouteUnavailableError(f"ldd: {error}") from error
    if result.returncode != 0 and "not a dynamic executable" not in result.stderr:
        raise RouteUnavailableError(f"ldd {binary}: {result.stderr.strip()}")
    return frozenset(re.findall(r"^\s*(\S+) => not found", result.stdout, re.MULTILINE))
