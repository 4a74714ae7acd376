"""How long a model server takes to load its models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass
class LoadTime:
    """Of one server: from its first answer without its models until it has them, once."""

    since: datetime | None = None
    over: bool = False

    def follow(self, *, ready: bool, at: datetime) -> float | None:
        """Takes what the server said at `at`; the seconds where it has just loaded.

        None of one that was ready when it was first asked: how long that took is not known.
        """
        if self.over:
            return None
        self.over = ready
        if not ready:
            self.since = self.since or at
        elif self.since is not None:
            return (at - self.since).total_seconds()
        return None
