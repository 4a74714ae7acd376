"""The rate window: one document a workspace and UTC minute, one increment a request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pymongo.errors import DuplicateKeyError

from imagerift_core.mongo.database import Database

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class RateWindow:
    """Where a workspace stands in this minute, with this request counted."""

    limit: int
    count: int
    resets_in_seconds: int

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
    minute = at.astimezone(UTC).replace(second=0, microsecond=0)
    window_id = f"{workspace}:{minute:%Y-%m-%dT%H:%M}"
    update = {
        "$inc": {"count": 1},
        "$setOnInsert": {"expires_at": minute + timedelta(seconds=2 * WINDOW_SECONDS)},
    }
    while True:
        try:
            document = await database.rate_windows.find_one_and_update(
                {"_id": window_id}, update, upsert=True, return_document=True
            )
        except DuplicateKeyError:
            # Two first requests of a minute met; the document is there now.
            continue
        break
    left = minute + timedelta(seconds=WINDOW_SECONDS) - at
    # Rounded up: whoever waits as told must find the next window.
    return RateWindow(limit, document["count"], math.ceil(left.total_seconds()))
