"""What a workspace has used: its counters by period, and the ledger's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from imagerift_core.mongo.places import after_place
from imagerift_core.mongo.store import Store
from imagerift_core.quota import counter_id

_PERIODS = 24


@dataclass(frozen=True)
class PeriodUsage:
    """One period's counter, in units. `period` is a UTC month such as `2026-11`."""

    period: str
    charged: int
    reserved: int


@dataclass(frozen=True)
class Standing:
    """Where a quota counter stands, in units."""

    charged: int
    reserved: int


@dataclass(frozen=True)
class KeyUse:
    """Units and outputs that one key was charged for; `key_id` is None for other submits."""

    key_id: str | None
    units: int


@dataclass(frozen=True)
class LedgerRow:
    """One charged output."""

    id: str
    job: str
    key_id: str | None
    mode: str
    units: int
    at: datetime

    @property
    def output_index(self) -> int:
        return int(self.id.rpartition(":")[2])


class UsageStore(Store):
    """Counters and ledger rows, for reading."""

    async def periods(self, workspace: str) -> list[PeriodUsage]:
        """The latest periods that have a counter, newest first."""
        cursor = (
            self._database.counters.find({"workspace": workspace}).sort("_id", -1).limit(_PERIODS)
        )
        return [
            PeriodUsage(row["_id"].rpartition(":")[2], row["charged"], row["reserved"])
            async for row in cursor
        ]

    async def by_key(self, workspace: str, period: str) -> list[KeyUse]:
        """What each key was charged for in the period, most first."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"counter": counter_id(workspace, period)}},
            {"$group": {"_id": "$key_id", "units": {"$sum": "$units"}}},
            {"$sort": {"units": -1, "_id": 1}},
        ]
        return [
            KeyUse(row["_id"], row["units"])
            async for row in self._database.ledger.aggregate(pipeline)
        ]

    async def ledger_page(
        self,
        workspace: str,
        period: str,
        *,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> list[LedgerRow]:
        """Up to `limit` rows of the period, newest first, after the row `before`."""
        query: dict[str, Any] = {"workspace": workspace, "counter": counter_id(workspace, period)}
        if before is not None:
            query |= after_place(before, field="at")
        cursor = self._database.ledger.find(query).sort([("at", -1), ("_id", -1)]).limit(limit)
        return [
            LedgerRow(row["_id"], row["job"], row["key_id"], row["mode"], row["units"], row["at"])
            async for row in cursor
        ]

    async def standing(self, counter: str) -> Standing:
        document = await self._database.counters.find_one({"_id": counter}) or {}
        return Standing(int(document.get("charged", 0)), int(document.get("reserved", 0)))

    async def by_day(self, workspace: str, *, since: date) -> dict[date, int]:
        """Units charged by UTC day from `since` on; days without any are left out."""
        start = datetime.combine(since, time(), UTC)
        pipeline: list[dict[str, Any]] = [
            {"$match": {"workspace": workspace, "at": {"$gte": start}}},
            {
                "$group": {
                    "_id": {"$dateTrunc": {"date": "$at", "unit": "day"}},
                    "units": {"$sum": "$units"},
                }
            },
        ]
        rows = [row async for row in self._database.ledger.aggregate(pipeline)]
        return {row["_id"].date(): int(row["units"]) for row in rows}
