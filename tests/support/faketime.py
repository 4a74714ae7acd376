"""libfaketime, for tests of processes whose wall clock is wrong: Debian's package, unpacked."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.debian import SUITE, Debian

PACKAGE = "libfaketime"
SITE = Path(__file__).with_name("faketime_site")
LIBRARY = "usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def provision_faketime() -> Path:
    """Finds or unpacks the library that is preloaded.

    Raises `RouteUnavailableError` where the package cannot be had.
    """
    cache = Cache(
        Path(os.environ.get("IMAGERIFT_CACHE_DIR") or platformdirs.user_cache_path("imagerift"))
    )
    debian = Debian(cache.root)
    folder = cache.ensure(PACKAGE, SUITE, lambda target: debian.unpack([PACKAGE], target / "root"))
    return folder / "root" / LIBRARY


def wall_clock_off_by(seconds: int) -> dict[str, str]:
    """The environment of a process whose wall clock is so many seconds fast, or slow if below 0.

    What it measures durations with is right, as on a machine whose clock was set wrong.
    """
    paths = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "LD_PRELOAD": str(provision_faketime()),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # What files say of themselves is the file system's.
        "NO_FAKE_STAT": "1",
    }
