"""File systems of images: Debian's, files copied into one, and what commands change in one."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import SUITE

from imagerift_node.container_runtime import debootstrap

# What nobody reads in a container.
SHED = ("usr/share/doc", "usr/share/info", "usr/share/man", "usr/share/locale", "var/cache/apt")
# As Debian's own image has them: no service is started, and no package is kept.
ADDED = {
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "etc/apt/apt.conf.d/docker-clean": (
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };\n'
        'Dir::Cache { pkgcache ""; srcpkgcache ""; };\n'
    ),
    # What is mounted over while a command runs, here and in a pod.
    "etc/resolv.conf": "",
}
CERTIFICATES = "/run/certificates.pem"
# How this machine reaches others is how a command does, and nothing of it stays in the image.
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# All mounts are seen by this one shell alone and go with it.
MOUNT = """
set -eu
mkdir "$scratch/work" "$scratch/root"
root=$scratch/root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$scratch/work" "$root"
"""
RUN = """
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
[ -z "$certificates" ] || cp "$certificates" "$root/run/certificates.pem"
chroot --userspec="${user:-0:0}" "$root" /usr/bin/env -i "$@"
"""
COPY = """
mkdir -p "$2"
cp -a "$root$1/." "$2"
"""


def bootstrap(workshop: Workshop, root: Path) -> None:
    """Makes what Debian's slim image is, in the empty folder `root`.

    Raises:
        RouteUnavailableError: the archive cannot be reached.
    """
    workshop.debian.update()
    command, environment = debootstrap(workshop, SUITE, ["ca-certificates"], root)
    run_logged(command, log=workshop.log("images"), environment=environment)
    # It has made the devices of this machine; a container gets its own.
    for name in ("dev", *SHED):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/hostname").unlink(missing_ok=True)
    sources = workshop.debian.archive().sources().splitlines(keepends=True)
    packages = "".join(line for line in sources if line.startswith("deb "))
    for name, text in {**ADDED, "etc/apt/sources.list": packages}.items():
        (root / name).write_text(text)
    (root / "usr/sbin/policy-rc.d").chmod(0o755)


def run_in(
    layers: Sequence[Path],
    command: str,
    upper: Path,
    log: Path,
    *,
    environment: Mapping[str, str],
    folder: str,
    user: str,
) -> None:
    """Runs a shell's command on the layers (the lowest first); `upper` gets what it changes.

    Raises:
        RouteUnavailableError: it fails.
    """
    certificates = ssl.get_default_verify_paths().cafile
    trusted = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), CERTIFICATES) if certificates else {}
    passed = {name: os.environ[name] for name in PROXIES if name in os.environ}
    variables = {**passed, **trusted, **environment}
    line = f"mkdir -p {folder} && cd {folder} && {command}"
    arguments = [*(f"{name}={value}" for name, value in variables.items()), "/bin/sh", "-c", line]
    settings = {"certificates": certificates or "", "user": user}
    _on(layers, upper, RUN, *arguments, log=log, settings=settings)


def copy_from(layers: Sequence[Path], folder: str, files: Path, inside: str, log: Path) -> None:
    """Copies a folder of the layers (the lowest first) to the place `inside` of the root `files`.

    Raises:
        RouteUnavailableError: there is no such folder.
    """
    scratch = files.with_name("unchanged")
    _on(layers, scratch, COPY, folder, f"{files}{inside}", log=log, settings={})
    shutil.rmtree(scratch)


def _on(
    layers: Sequence[Path],
    upper: Path,
    script: str,
    *arguments: str,
    log: Path,
    settings: Mapping[str, str],
) -> None:
    upper.mkdir(exist_ok=True)
    scratch = upper.with_name("mounts")
    scratch.mkdir()
    environment = {
        **os.environ,
        "lower": ":".join(map(str, reversed(layers))),
        "upper": str(upper),
        "scratch": str(scratch),
        # Another way to mount takes no more than 256 characters for all the layers.
        "LIBMOUNT_FORCE_MOUNT2": "always",
        **settings,
    }
    command = ["unshare", "--mount", "--", "sh", "-c", MOUNT + script, "sh", *arguments]
    run_logged(command, log=log, environment=environment)
    shutil.rmtree(scratch)
