"""The queue as a shard's scheduler last saw it: one document a shard, written by its leader."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.mongo.database import Database

WaitingReason = Literal[
    "waiting_for_turn",
    "waiting_for_gpu",
    "model_loading",
    "pool_unavailable",
    "workspace_concurrency",
]
STALE_AFTER = timedelta(seconds=10)


class QueuePlace(BaseModel):
    """Where a waiting job stands; `eta_seconds` is None until a rate was measured."""

    model_config = ConfigDict(frozen=True)

    position: int
    eta_seconds: float | None
    reason: WaitingReason


class SchedulerSnapshot(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    shard: str = Field(alias="_id")
    at: datetime
    jobs_per_second: float | None
    places: dict[str, QueuePlace]


async def write(database: Database, snapshot: SchedulerSnapshot) -> None:
    document = snapshot.model_dump(by_alias=True)
    await database.snapshots.replace_one({"_id": snapshot.shard}, document, upsert=True)


async def read(database: Database, shard: str, *, at: datetime) -> SchedulerSnapshot | None:
    """The shard's snapshot, or None where there is none or it is stale."""
    document: dict[str, Any] | None = await database.snapshots.find_one(
        {"_id": shard, "at": {"$gt": at - STALE_AFTER}}
    )
    return SchedulerSnapshot.model_validate(document) if document else None
