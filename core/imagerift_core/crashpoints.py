"""A test hook: kill this very process at a named point, to prove that nothing is lost there."""

from __future__ import annotations

import os
import signal
from pathlib import Path


class CrashPoints:
    """Named points at which a test may have the process killed by SIGKILL.

    Without a folder (production) `reach` does nothing. With one, a file named after the point
    arms it once: the file is removed, then the process dies with nothing flushed or closed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def reach(self, point: str) -> None:
        if self._folder is None:
            return
        try:
            (self._folder / point).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
