"""How many servers a pool needs. Plain values: no clock, no server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class PoolScale:
    """The number of servers of one pool, and since when fewer would do."""

    replicas: int
    quiet_since: datetime | None = None

    def decide(
        self,
        *,
        jobs: int,
        slots: int,
        minimum: int,
        maximum: int,
        patience: timedelta,
        at: datetime,
    ) -> int:
        """The number of servers from now on.

        `jobs` wait for the pool or run on it, `slots` fit on one server. More servers come at
        once; fewer only after `patience` in which fewer would have done all along.
        """
        wanted = max(minimum, min(maximum, -(-jobs // slots)))
        if wanted >= self.replicas:
            self.quiet_since = None
            self.replicas = wanted
        elif self.quiet_since is None:
            self.quiet_since = at
        elif at - self.quiet_since >= patience:
            self.quiet_since = None
            self.replicas = wanted
        return self.replicas
