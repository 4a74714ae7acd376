"""The rate window: one document a workspace and UTC minute, one increment a request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from imagerift_core.mongo.database import Database

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class RateWindow:
    """Where a workspace stands in this minute, with this request counted."""

    limit: int
    count: int
    resets_in_seconds: int

    @classmethod
    def of(cls, limit: int, count: int, at: datetime) -> RateWindow:
        left = _minute(at) + timedelta(seconds=WINDOW_SECONDS) - at
        # Rounded up: whoever waits as told must find the next window.
        return cls(limit, count, math.ceil(left.total_seconds()))

    @property
    def exceeded(self) -> bool:
        return self.count > self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.count)


async def count_request(
    database: Database, workspace: str, *, limit: int, at: datetime
) -> RateWindow:
    """Counts one request; exact across replicas, since the database does the counting."""
    window_id, update = window_update(workspace, at)
    while True:
        try:
            document = await database.rate_windows.find_one_and_update(
                {"_id": window_id}, update, upsert=True, return_document=True
            )
        except DuplicateKeyError:
            # Two first requests of a minute met; the document is there now.
            continue
        break
    return RateWindow.of(limit, document["count"], at)


def window_update(subject: str, at: datetime) -> tuple[str, dict[str, Any]]:
    """The id of a subject's window, and the update that counts one request in it."""
    minute = _minute(at)
    expires_at = minute + timedelta(seconds=2 * WINDOW_SECONDS)
    update = {"$inc": {"count": 1}, "$setOnInsert": {"expires_at": expires_at}}
    return f"{subject}:{minute:%Y-%m-%dT%H:%M}", update


def window_counted_in(windows: Any, window_id: str, update: dict[str, Any]) -> int:
    """Counts by the driver's own blocking calls; the count with this request."""
    while True:
        try:
            document = windows.find_one_and_update(
                {"_id": window_id}, update, upsert=True, return_document=True
            )
        except DuplicateKeyError:
            continue
        count: int = document["count"]
        return count


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
