"""The cache of provisioned parts, outside the checkout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


class Cache:
    """Folders keyed by part and version; a folder is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(self, part: str, version: str) -> Path:
        """Where that version of the part lies, or would lie."""
        return self.root / "parts" / part / version

    def has(self, part: str, version: str) -> bool:
        """Whether that version of the part is there."""
        return self.entry(part, version).is_dir()

    def ensure(self, part: str, version: str, build: Callable[[Path], None]) -> Path:
        """The folder of that version, made by `build` in an empty folder when it is not there.

        Two processes that want the same part build it once: the second waits. What `build` leaves
        when it fails is thrown away, and its exception goes on to the caller.
        """
        entry = self.entry(part, version)
        if entry.is_dir():
            return entry
        lock = self.root / "locks" / f"{part}-{version}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            if entry.is_dir():
                return entry
            scratch = self.root / "building" / f"{part}-{version}"
            # Left by a build that was killed.
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            try:
                build(scratch)
                entry.parent.mkdir(parents=True, exist_ok=True)
                os.replace(scratch, entry)  # noqa: PTH105 (a folder, and it must be atomic)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        return entry
