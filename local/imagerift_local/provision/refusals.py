"""Downloads that were refused: remembered, so that no start waits for the same host again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.downloads import Release

RETRY_SECONDS = 24 * 3600.0
HOUR = 3600.0


@dataclass(frozen=True)
class Refusals:
    """One small file a release in the cache; `now` gives seconds since 1970."""

    folder: Path
    now: Callable[[], float] = time.time

    def note(self, release: Release, reason: str) -> None:
        """Remembers that the release could not be had now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"at": self.now(), "reason": reason}
        self._path(release).write_text(json.dumps(content))

    def check(self, release: Release) -> None:
        """Passes unless the release was refused within a day.

        Raises:
            RouteUnavailableError: it was; the text says when it is tried again.
        """
        try:
            stored = json.loads(self._path(release).read_text())
            age, reason = self.now() - float(stored["at"]), str(stored["reason"])
        except (OSError, ValueError, TypeError, KeyError):
            return
        if 0 <= age < RETRY_SECONDS:
            raise RouteUnavailableError(
                f"{reason} ({age / HOUR:.0f} h ago; the next try is in"
                f" {(RETRY_SECONDS - age) / HOUR:.0f} h, or now without {self._path(release)})"
            )

    def _path(self, release: Release) -> Path:
        return self.folder / f"{release.part}-{release.version}.json"
