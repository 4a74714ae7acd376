"""What a workspace has used: its counters by period, and the ledger's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated
from imagerift_core.quota import counter_id

_PERIODS = 24


@dataclass(frozen=True)
class PeriodUsage:
    """One period's counter, in units. `period` is a UTC month such as `2026-11`."""

    period: str
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


@translated
async def periods(database: Database, workspace: str) -> list[PeriodUsage]:
    """The latest periods that have a counter, newest first."""
    cursor = database.counters.find({"workspace": workspace}).sort("_id", -1).limit(_PERIODS)
    return [
        PeriodUsage(row["_id"].rpartition(":")[2], row["charged"], row["reserved"])
        async for row in cursor
    ]


@translated
async def by_key(database: Database, workspace: str, period: str) -> list[KeyUse]:
    """What each key was charged for in the period, most first."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"counter": counter_id(workspace, period)}},
        {"$group": {"_id": "$key_id", "units": {"$sum": "$units"}}},
        {"$sort": {"units": -1, "_id": 1}},
    ]
    return [KeyUse(row["_id"], row["units"]) async for row in database.ledger.aggregate(pipeline)]


@translated
async def ledger_page(
    database: Database,
    workspace: str,
    period: str,
    *,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[LedgerRow]:
    """Up to `limit` rows of the period, newest first, after the row `before`."""
    query: dict[str, Any] = {"workspace": workspace, "counter": counter_id(workspace, period)}
    if before is not None:
        moment, identifier = before
        query["$or"] = [{"at": {"$lt": moment}}, {"at": moment, "_id": {"$lt": identifier}}]
    cursor = database.ledger.find(query).sort([("at", -1), ("_id", -1)]).limit(limit)
    return [
        LedgerRow(row["_id"], row["job"], row["key_id"], row["mode"], row["units"], row["at"])
        async for row in cursor
    ]
