"""Plans and modes that were added to those of the installation's files, or stand in their place."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.errors import CatalogueEntryNotFound
from imagerift_core.jobs import Status
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import INSTALLATION, Action, Actor, LogEntry, Logged, logged
from imagerift_core.mongo.holders import free_for
from imagerift_core.mongo.moments import set_once
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import KEPT, all_readable, read

Kind = Literal["plan", "mode"]
MOST_COUNTED = 100
_SET: dict[Kind, Action] = {"plan": "plan.set", "mode": "mode.set"}
_RETIRED: dict[Kind, Action] = {"plan": "plan.retired", "mode": "mode.retired"}
_LIVE = [Status.QUEUED.value, Status.PROCESSING.value]


class Entry(BaseModel):
    """A plan or a mode, as `content` says in the form of the installation's files.

    From `retired_at` on nothing new begins on it. `managed_by` is the resource that says what it
    is to be, where one does.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    kind: Annotated[Kind, KEPT]
    name: str
    content: dict[str, Any]
    changed_at: datetime
    retired_at: datetime | None = None
    managed_by: ManagedBy | None = None


def _id(kind: Kind, name: str) -> str:
    return f"{kind}/{name}"


def _log_entry(action: Action, name: str, actor: Actor, at: datetime) -> LogEntry:
    return LogEntry(workspace=INSTALLATION, actor=actor, action=action, at=at, target=name)


class CatalogueStore(Store):
    """The entries of every kind. Each change of one is in the installation's log."""

    async def all(self) -> list[Entry]:
        return await all_readable(Entry, self._database.catalogue.find().sort("_id", 1))

    async def get(self, kind: Kind, name: str) -> Entry | None:
        document = await self._database.catalogue.find_one({"_id": _id(kind, name)})
        return read(Entry, document) if document else None

    async def put(
        self, kind: Kind, name: str, content: dict[str, Any], *, actor: Actor, at: datetime
    ) -> Entry:
        """Makes it as `content` says, for whatever is to begin on it."""
        fields = {
            "kind": kind,
            "name": name,
            "content": content,
            "changed_at": at,
            "retired_at": None,
        }

        async def body(session: Session) -> Logged[Entry]:
            document = await self._database.catalogue.find_one_and_update(
                {"_id": _id(kind, name)},
                {"$set": fields},
                upsert=True,
                return_document=True,
                session=session,
            )
            return read(Entry, document), _log_entry(_SET[kind], name, actor, at)

        return await logged(self._database, body)

    async def retire(self, kind: Kind, name: str, *, actor: Actor, at: datetime) -> Entry:
        """Lets nothing new begin on it; the first time stays. Raises `CatalogueEntryNotFound`."""

        async def body(session: Session) -> Logged[Entry]:
            entries, known = self._database.catalogue, {"_id": _id(kind, name)}
            document, changed = await set_once(entries, known, "retired_at", at, session)
            if document is None:
                raise CatalogueEntryNotFound(f"No {kind} '{name}' was added here.")
            entry = _log_entry(_RETIRED[kind], name, actor, at)
            return read(Entry, document), entry if changed else None

        return await logged(self._database, body)

    async def claim(
        self, kind: Kind, name: str, holder: ManagedBy, *, others: Collection[str]
    ) -> Entry | None:
        """The entry, which `holder` manages from now on; None where another does, or there is
        none."""
        document = await self._database.catalogue.find_one_and_update(
            {"_id": _id(kind, name)} | free_for(holder, others),
            {"$set": {"managed_by": holder.model_dump()}},
            return_document=True,
        )
        return read(Entry, document) if document else None

    async def release(self, kind: Kind, name: str) -> None:
        """Takes it from the resource that manages it."""
        await self._database.catalogue.update_one(
            {"_id": _id(kind, name)}, {"$set": {"managed_by": None}}
        )

    async def remove(self, entry: Entry) -> None:
        """Removes a retired one, unless it was set again meanwhile."""
        await self._database.catalogue.delete_one({"_id": entry.id, "retired_at": entry.retired_at})

    async def workspaces_on(self, plan: str) -> int:
        """How many there are that are not suspended, up to `MOST_COUNTED`."""
        return await self._database.workspaces.count_documents(
            {"plan": plan, "suspended_at": None}, limit=MOST_COUNTED
        )

    async def has_live_jobs(self, mode: str) -> bool:
        """Whether a job of the mode waits or runs in any shard. Reads the live jobs' records."""
        for shard in await self._database.jobs.distinct("namespace"):
            live = {"namespace": shard, "status": {"$in": _LIVE}, "spec.mode": mode}
            if await self._database.jobs.find_one(live, {"_id": 1}) is not None:
                return True
        return False

    async def shards_that_serve(self, mode: str, *, since: datetime) -> list[str]:
        """Shards whose operator, alive `since` then, has a pool for the mode."""
        served = {"at": {"$gte": since}, f"modes.{mode}": {"$exists": True}}
        rows = self._database.snapshots.find(served, {"_id": 1}).sort("_id", 1)
        return [row["_id"] async for row in rows]
