"""The rate window: one document a workspace and UTC minute, one increment a request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from imagerift_core.mongo.store import Store

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


@dataclass(frozen=True)
class Minute:
    """One window of a subject, as the store knows it; `start` is in UTC."""

    subject: str
    start: datetime

    @classmethod
    def of(cls, subject: str, at: datetime) -> Minute:
        """The window of `subject` that the moment `at` falls into."""
        return cls(subject, _minute(at))

    @property
    def id(self) -> str:
        return f"{self.subject}:{self.start:%Y-%m-%dT%H:%M}"

    def counting(self, number: int) -> dict[str, Any]:
        """The update that counts `number` requests."""
        expires_at = self.start + timedelta(seconds=2 * WINDOW_SECONDS)
        return {"$inc": {"count": number}, "$setOnInsert": {"expires_at": expires_at}}


class RateWindowStore(Store):
    """Rate windows; `RateLimitedReads` counts in them too."""

    async def count(self, subject: str, *, limit: int, at: datetime) -> RateWindow:
        """Counts one request; exact across replicas, since the database does the counting."""
        minute = Minute.of(subject, at)
        while True:
            try:
                document = await self._database.rate_windows.find_one_and_update(
                    {"_id": minute.id}, minute.counting(1), upsert=True, return_document=True
                )
            except DuplicateKeyError:
                # Two first requests of a minute met; the document is there now.
                continue
            return RateWindow.of(limit, document["count"], at)

    async def give_back(self, subject: str, *, at: datetime) -> None:
        """Takes back what `count` counted at the same `at`."""
        await self._database.rate_windows.update_one(
            {"_id": Minute.of(subject, at).id}, {"$inc": {"count": -1}}
        )


def counted_in(windows: Collection[dict[str, Any]], minute: Minute, number: int) -> int:
    """Counts `number` requests by the driver's own blocking calls; the count with all of them."""
    while True:
        try:
            document: Any = windows.find_one_and_update(
                {"_id": minute.id}, minute.counting(number), upsert=True, return_document=True
            )
        except DuplicateKeyError:
            continue
        count: int = document["count"]
        return count


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
