"""Debian root file systems by debootstrap, and packages added over them by an overlay."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import SUITE, Archive

from imagerift_node.container_runtime import debootstrap
from imagerift_node.images.layers import overlay_layer

ROOT = "root"
# What nobody reads in a container.
SHED = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/man",
    "usr/share/locale",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt/lists",
    "var/log",
)
INSTALL = """
set -eu
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$merged"
mount -t proc proc "$merged/proc"
cp /etc/resolv.conf "$merged/etc/resolv.conf"
cp "$sources" "$merged/etc/apt/sources.list"
printf '#!/bin/sh\\nexit 101\\n' > "$merged/usr/sbin/policy-rc.d"
chmod 755 "$merged/usr/sbin/policy-rc.d"
for folder in cache/apt/archives/partial lib/apt/lists/partial log/apt; do
  mkdir -p "$merged/var/$folder"
done
chroot "$merged" apt-get -q update
chroot "$merged" apt-get -q -y --no-install-recommends install "$@"
rm -f "$merged/usr/sbin/policy-rc.d" "$merged/etc/resolv.conf" "$merged/etc/apt/sources.list"
"""


def bootstrap(workshop: Workshop, packages: Sequence[str], target: Path) -> None:
    """Makes a minimal Debian root with the packages in `target`, and its layer.

    Raises:
        RouteUnavailableError: the archive cannot be reached.
    """
    workshop.debian.update()
    root = target / ROOT
    command, environment = debootstrap(workshop, SUITE, packages, root)
    run_logged(command, log=workshop.log("images"), environment=environment)
    # It has made the devices of this machine; a container gets its own.
    shutil.rmtree(root / "dev")
    (root / "dev").mkdir()
    for name in ("etc/resolv.conf", "etc/hostname", "etc/apt/sources.list"):
        (root / name).unlink(missing_ok=True)
    _shed(root)
    overlay_layer(root, target)


def add_packages(workshop: Workshop, below: Path, packages: Sequence[str], target: Path) -> None:
    """Makes the layer in `target` that adds the packages to the root in `below`.

    Raises:
        RouteUnavailableError: the archive cannot be reached.
    """
    places = {name: target / name for name in ("upper", "work", "merged")}
    for place in places.values():
        place.mkdir()
    sources = target / "sources.list"
    main = Archive(workshop.debian.archive().main)
    sources.write_text(main.sources())
    environment = {
        **os.environ,
        **{name: str(place) for name, place in places.items()},
        "lower": str(below / ROOT),
        "sources": str(sources),
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C",
    }
    # The mounts are seen by this one shell alone and go with it.
    run_logged(
        ["unshare", "--mount", "--", "bash", "-c", INSTALL, "bash", *packages],
        log=workshop.log("images"),
        environment=environment,
    )
    _shed(places["upper"])
    overlay_layer(places["upper"], target)
    sources.unlink()
    for place in places.values():
        shutil.rmtree(place)


def _shed(root: Path) -> None:
    for name in SHED:
        folder = root / name
        if folder.is_dir():
            shutil.rmtree(folder)
            folder.mkdir()
