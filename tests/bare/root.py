"""A minimal Debian root file system, and commands that run in it as a person who is not root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.provision.context import Workshop
from imagerift_node.container_runtime import debootstrap

# What the README asks for on top of the smallest system that Debian knows.
PACKAGES = ("ca-certificates", "curl", "make", "python3")
PERSON = "newcomer"
HOME = Path("/home", PERSON)
# How this machine reaches package registries is no property of the release that is tried.
REGISTRIES = re.compile(r"(?i)(.*_proxy|PIP_(EXTRA_)?INDEX_URL|UV_.*INDEX.*|.*_CERT(_FILE|_DIR)?)$")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# All that is mounted is seen by this process and its children alone, and goes with them.
ENTER = """
set -eu
mount -t proc proc "$ROOT/proc"
mkdir -p "$ROOT/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
if [ -n "$DOWNLOADS" ]; then mount --bind "$DOWNLOADS" "$ROOT$HOME_OF_PERSON/.cache/uv"; fi
# Stays as the first process of its namespace, which the kernel kills with its parent: a process
# that gave up root no longer asks for that.
chroot --userspec="$PERSON:$PERSON" "$ROOT" /usr/bin/env -i "$@" || exit $?
"""


@dataclass(frozen=True)
class Root:
    """The root file system of one release; `downloads` is a kept cache of Python packages."""

    suite: str
    folder: Path
    downloads: Path | None = None

    def make(self, workshop: Workshop) -> None:
        """Makes it anew with debootstrap.

        Raises:
            PlatformError: debootstrap cannot be had.
            subprocess.CalledProcessError: it fails; its words are on standard error.
        """
        debs = []
        if self.downloads is not None:
            cache = self.downloads / f"debs-{self.suite}"
            cache.mkdir(parents=True, exist_ok=True)
            debs = [f"--cache-dir={cache}"]
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        command, environment = debootstrap(workshop, self.suite, PACKAGES, self.folder, *debs)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        self._connect()
        subprocess.run(
            ["chroot", str(self.folder), "/usr/sbin/useradd", "--create-home", PERSON], check=True
        )

    def _connect(self) -> None:
        for name in ("etc/resolv.conf", "etc/hosts"):
            shutil.copyfile(Path("/", name), self.folder / name)
        if CERTIFICATES.exists():
            shutil.copyfile(CERTIFICATES, self.folder / CERTIFICATES.relative_to("/"))
        settings = subprocess.run(
            ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True
        )
        lines = [line for line in settings.stdout.splitlines() if "IndexTargets" not in line]
        place = self.folder / "etc" / "apt" / "apt.conf.d" / "99way-out"
        place.write_text("\n".join(lines) + "\n")

    def clone(self, checkout: Path) -> None:
        """Puts a clone of the checkout's last commit into the person's home."""
        target = self.folder / HOME.relative_to("/") / "imagerift"
        clone = ["git", "clone", "--quiet", "--no-local", "--depth=1", f"file://{checkout}"]
        subprocess.run([*clone, str(target)], check=True)
        own = ["chown", "--recursive", f"{PERSON}:{PERSON}", str(HOME)]
        subprocess.run(["chroot", str(self.folder), *own], check=True)

    def start(self, command: str) -> subprocess.Popen[str]:
        """Starts a shell command in the clone; its end takes everything along that it started."""
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--"]
        downloads = ""
        if self.downloads is not None:
            uv = self.downloads / "uv"
            uv.mkdir(parents=True, exist_ok=True)
            inside = self.folder / HOME.relative_to("/")
            (inside / ".cache" / "uv").mkdir(parents=True, exist_ok=True)
            for place in (uv, inside / ".cache", inside / ".cache" / "uv"):
                shutil.chown(place, inside.stat().st_uid, inside.stat().st_gid)
            downloads = str(uv)
        return subprocess.Popen(
            [*isolated, "bash", "-c", ENTER, "bash", *self._environment(), *_shell(command)],
            env={
                **os.environ,
                "ROOT": str(self.folder),
                "PERSON": PERSON,
                "HOME_OF_PERSON": str(HOME),
                "DOWNLOADS": downloads,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """The output of a shell command in the clone.

        Raises:
            subprocess.CalledProcessError: it fails.
        """
        process = self.start(command)
        output, _ = process.communicate(timeout=120)
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, command, output)
        return output

    def remove(self) -> None:
        """Deletes it; nothing is mounted in it but for as long as a command runs."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _environment(self) -> list[str]:
        passed = {name: value for name, value in os.environ.items() if REGISTRIES.match(name)}
        own = {
            "HOME": str(HOME),
            "USER": PERSON,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            # Others on the machine that runs this may have the usual ports.
            "IMAGERIFT_LOCAL_PORT_BASE": "auto",
        }
        return [f"{name}={value}" for name, value in {**passed, **own}.items()]


def _shell(command: str) -> Sequence[str]:
    return ["bash", "-c", f"cd {HOME}/imagerift && {command}"]
