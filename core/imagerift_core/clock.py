"""The one source of the time, at the millisecond resolution that MongoDB keeps.

Times that processes store are compared by other processes, and MongoDB itself removes what is
out of date. So all of them go by one clock, MongoDB's: `clock_watch` reads it, and in between the
seconds are counted by a clock that nobody sets. What this machine's own wall clock says matters
only until the first reading.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

# It counts on while a machine sleeps, where there is such a clock.
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def ticks() -> timedelta:
    """The time since some moment, by a clock that nobody sets."""
    return timedelta(seconds=time.clock_gettime(_TICKS))


class Clock:
    """A clock that tells the wall clock's time until it follows another one."""

    def __init__(self) -> None:
        self._origin: datetime | None = None

    def follow(self, origin: datetime) -> None:
        """Follows the clock by which it was `origin` when `ticks` were 0."""
        self._origin = origin

    def now(self) -> datetime:
        """The current UTC time, truncated to milliseconds so that a stored value compares equal."""
        moment = datetime.now(UTC) if self._origin is None else self._origin + ticks()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


_of_this_process = Clock()
now = _of_this_process.now
follow = _of_this_process.follow


def rfc3339(moment: datetime) -> str:
    """`moment` as RFC 3339 in UTC with milliseconds and a `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
