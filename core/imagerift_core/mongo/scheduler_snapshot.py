"""The queue as a shard's scheduler last saw it: one document a shard, written by its leader."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated

WaitingReason = Literal[
    "waiting_for_turn",
    "waiting_for_slot",
    "model_loading",
    "pool_unavailable",
    "workspace_concurrency",
]
STALE_AFTER = timedelta(seconds=10)


class QueuePlace(BaseModel):
    """Where a waiting job stands.

    `position` is 1 for the next unit to start; the units of the jobs before it count. Seconds
    until it starts are None where nothing is known to estimate them from.
    """

    model_config = ConfigDict(frozen=True)

    position: int
    eta_seconds: float | None
    reason: WaitingReason


class SchedulerSnapshot(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    shard: str = Field(alias="_id")
    at: datetime
    places: dict[str, QueuePlace]


@translated
async def write(database: Database, snapshot: SchedulerSnapshot) -> None:
    document = snapshot.model_dump(by_alias=True)
    await database.snapshots.replace_one({"_id": snapshot.shard}, document, upsert=True)


@translated
async def read(database: Database, shard: str, *, at: datetime) -> SchedulerSnapshot | None:
    """The shard's snapshot, or None where there is none, or it is stale or another version's."""
    document: dict[str, Any] | None = await database.snapshots.find_one(
        {"_id": shard, "at": {"$gt": at - STALE_AFTER}}
    )
    try:
        return SchedulerSnapshot.model_validate(document) if document else None
    except ValidationError:
        return None
