"""What a workspace was charged, day by day, from the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated


@dataclass(frozen=True)
class Standing:
    """Where a quota counter stands, in units."""

    charged: int
    reserved: int


@translated
async def standing(database: Database, counter: str) -> Standing:
    document = await database.counters.find_one({"_id": counter}) or {}
    return Standing(int(document.get("charged", 0)), int(document.get("reserved", 0)))


@translated
async def by_day(database: Database, workspace: str, *, since: date) -> dict[date, int]:
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
    rows = [row async for row in database.ledger.aggregate(pipeline)]
    return {row["_id"].date(): int(row["units"]) for row in rows}
