"""Hundreds of odd pictures: those that Pillow's own tests have collected from its bug reports.

They come with its source package in the pinned Debian release, whose signature apt checks, and lie
in the cache.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import platformdirs
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.debian import SUITE, Debian

FOLDERS = ("Tests/images/", "Tests/fonts/")


def odd_pictures() -> list[Path]:
    """The files, in the order of their names; some are no pictures at all."""
    root = os.environ.get("IMAGERIFT_CACHE_DIR") or platformdirs.user_cache_path("imagerift")
    cache = Cache(Path(root))
    folder = cache.ensure("odd-pictures", f"pillow-{SUITE}", lambda target: _fetch(cache, target))
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _fetch(cache: Cache, target: Path) -> None:
    debian = Debian(cache.root)
    debian.update()
    downloads = target / "source"
    downloads.mkdir()
    subprocess.run(
        ["apt-get", "-q", "source", "--download-only", "pillow"],
        cwd=downloads,
        env=debian.environment,
        check=True,
        capture_output=True,
        timeout=300,
    )
    [archive] = downloads.glob("pillow_*.orig.tar.*")
    with tarfile.open(archive) as source:
        for member in source:
            inside = member.name.partition("/")[2]
            if member.isfile() and inside.startswith(FOLDERS):
                source.extract(member, target, filter="data")
    for path in downloads.iterdir():
        path.unlink()
    downloads.rmdir()
