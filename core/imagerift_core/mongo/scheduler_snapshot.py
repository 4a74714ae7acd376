"""The queue as a shard's scheduler last saw it, and how far what runs is.

One document a shard, written by its leader.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from imagerift_contract.values import ProgressStage
from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.mongo.store import Store
from imagerift_core.stored import KEPT, Unreadable, try_read

WaitingReason = Literal[
    "waiting_for_turn",
    "waiting_for_slot",
    "model_loading",
    "pool_unavailable",
    "workspace_concurrency",
]
STALE_AFTER = timedelta(seconds=10)


class QueuePosition(BaseModel):
    """Where a waiting job stands.

    `position` is 1 for the next unit to start; the units of the jobs before it count. Seconds
    until it starts are None where nothing is known to estimate them from.
    """

    model_config = ConfigDict(frozen=True)

    position: int
    eta_seconds: float | None
    reason: Annotated[WaitingReason, KEPT]


class ServedMode(BaseModel):
    """A mode that some pool of the shard serves.

    `one_aspect` says that for all of them another aspect is another picture of a seed, so that no
    job may have several; `references` how many pictures beside the source any of them looks at.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    one_aspect: bool = False
    references: int = 0


class JobProgress(BaseModel):
    """How far an attempt is.

    `step` and `steps` are of the variations that are drawn now, of which `variation` is the first;
    None where its model tells none. `share` is 0 to 1, `eta_seconds` until the job ends. Of the
    pictures `shown` there is a thumbnail, under the attempt's own keys.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt: int
    stage: Annotated[ProgressStage, KEPT]
    step: int | None = None
    steps: int | None = None
    variation: int
    share: float
    eta_seconds: float | None = None
    shown: list[int] = Field(default_factory=list)


class SchedulerSnapshot(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    shard: str = Field(alias="_id")
    at: datetime
    places: dict[str, QueuePosition] = Field(default_factory=dict)
    modes: dict[str, ServedMode] = Field(default_factory=dict)
    progress: dict[str, JobProgress] = Field(default_factory=dict)


class SnapshotStore(Store):
    """The snapshot of each shard."""

    async def write(self, snapshot: SchedulerSnapshot) -> None:
        document = snapshot.model_dump(by_alias=True)
        await self._database.snapshots.replace_one({"_id": snapshot.shard}, document, upsert=True)

    async def served_modes(self, shard: str) -> dict[str, ServedMode]:
        """The modes that pools of the shard serve, as was last known, however long ago."""
        document: dict[str, Any] | None = await self._database.snapshots.find_one(
            {"_id": shard}, {"places": 0}
        )
        snapshot = try_read(SchedulerSnapshot, document) if document else None
        return snapshot.modes if isinstance(snapshot, SchedulerSnapshot) else {}

    async def read(self, shard: str, *, at: datetime) -> SchedulerSnapshot | None:
        """The shard's snapshot; None where there is none, it is stale or another version's."""
        document: dict[str, Any] | None = await self._database.snapshots.find_one(
            {"_id": shard, "at": {"$gt": at - STALE_AFTER}}
        )
        snapshot = try_read(SchedulerSnapshot, document) if document else None
        return None if isinstance(snapshot, Unreadable) else snapshot
