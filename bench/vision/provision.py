"""Brings the photographs and cut-outs of the bench into the cache and prints their folder.

    .venv/bin/python -m bench.vision.provision

They come out of packages of the pinned Debian release, which are unpacked and not installed. Only
the files that are used are kept, with the packages' copyright files.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from functools import partial
from pathlib import Path

from imagerift_local.errors import PlatformError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.debian import SUITE, Debian
from imagerift_local.settings import PlatformSettings

from bench.vision.plan import Plan, read_plan

PART = "bench-pictures"


def provision(plan: Plan, cache: Cache) -> Path:
    """The folder with the plan's files: PACKAGE/FILE, and PACKAGE/copyright.

    Raises:
        PlatformError: a package cannot be had.
    """
    # A list of other files is another version.
    listed = "\n".join(f"{package}/{file}" for package, file in plan.files())
    version = f"{SUITE}-{hashlib.sha256(listed.encode()).hexdigest()[:12]}"
    return cache.ensure(PART, version, partial(_build, plan, Debian(cache.root)))


def _build(plan: Plan, debian: Debian, target: Path) -> None:
    unpacked = target / "unpacked"
    debian.unpack(sorted(plan.folders), unpacked)
    for package, file in plan.files():
        kept = target / package / file
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(unpacked / plan.folders[package] / file, kept)
    for package in plan.folders:
        copyright_file = unpacked / "usr" / "share" / "doc" / package / "copyright"
        shutil.copyfile(copyright_file, target / package / "copyright")
    shutil.rmtree(unpacked)


def main() -> int:
    """Print the folder; return 1 when the packages cannot be had."""
    try:
        cache = Cache(PlatformSettings().cache_dir.absolute())
        sys.stdout.write(f"{provision(read_plan(), cache)}\n")
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
