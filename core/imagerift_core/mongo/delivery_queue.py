"""Who is tried next: fairly by workspace, few at once to one host, and none where nobody answers.

Everything is read from the outbox's rows and one row a broken lane, so that any number of replicas
agree. A row that waits is `ready` where it is due; one that is leased holds two `slots`, one of its
workspace and one of its lane, whose index is unique: no two replicas can take the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cachetools import LRUCache
from pymongo.errors import DuplicateKeyError

from imagerift_core.mongo.database import Database
from imagerift_core.mongo.deliveries import KEPT_DAYS, Delivery, DeliveryState, Try
from imagerift_core.mongo.store import Store
from imagerift_core.stored import Unreadable, try_read
from imagerift_core.webhooks import (
    GIVEN_UP_AFTER,
    HOST_TRIES_AT_ONCE,
    WORKSPACE_TRIES_AT_ONCE,
    lane_of,
    put_off_for,
)

LEASE_SECONDS = 60
# The end of a try to which nobody answered.
UNANSWERED = frozenset({"timeout", "connection_failed", "name_not_resolved", "tls_failed"})
_TRIES_SHOWN = 30
_ADOPTED_AT_ONCE = 200
_LOOKS = 256
_LANES_REMEMBERED = 4096
_BREAKER_KEPT = timedelta(days=1)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_FREED = {"lease": "", "leased_until": "", "slots": ""}
_ORDER = [("workspace", 1), ("lane", 1), ("next_at", 1)]


@dataclass(frozen=True)
class Leased:
    """What may be tried now, and how many deliveries were put off instead."""

    deliveries: list[Delivery]
    put_off: int


@dataclass
class _Reservations:
    """What is under way, of every replica."""

    workspaces: Counter[str] = field(default_factory=Counter)
    lanes: Counter[str] = field(default_factory=Counter)
    slots: set[str] = field(default_factory=set)

    def add(self, row: dict[str, Any]) -> None:
        self.workspaces[row.get("workspace", "")] += 1
        self.lanes[row.get("lane", "")] += 1
        self.slots.update(row["slots"])

    def full_workspaces(self) -> list[str]:
        return [name for name, n in self.workspaces.items() if n >= WORKSPACE_TRIES_AT_ONCE]

    def full_lanes(self) -> list[str]:
        return [name for name, n in self.lanes.items() if n >= HOST_TRIES_AT_ONCE]

    def free_slots(self, row: dict[str, Any]) -> list[str]:
        """A slot of the workspace and one of the lane; fewer where none is left."""
        wanted = ((row["workspace"], WORKSPACE_TRIES_AT_ONCE), (row["lane"], HOST_TRIES_AT_ONCE))
        free = []
        for name, count in wanted:
            slots = (f"{name}/{number}" for number in range(count))
            free.extend([slot for slot in slots if slot not in self.slots][:1])
        return free


@dataclass(frozen=True)
class _Rest:
    """What a lane's breaker says: nothing, to wait, or to make the one try after the pause."""

    until: datetime | None = None
    ours: bool = False


class DeliveryQueue(Store):
    """The outbox, for whoever sends what it holds."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        # Whose turn it was last, and which lane's of a workspace: by this replica, and no more than
        # a hint.
        self._turn = ""
        self._lanes: LRUCache[str, str] = LRUCache(_LANES_REMEMBERED)

    async def lease(self, *, holder: str, at: datetime, limit: int) -> Leased:
        """Up to `limit` deliveries that are due, for `holder` alone until the lease ends.

        Workspaces take turns, and one of which nothing is under way goes first; so do the hosts of
        a workspace, and what is due the longest is first of its host. What is due to a host that
        does not answer is put off together, but for one try at the end of each pause.
        """
        await self._adopt(at)
        await self._wake(at)
        leased: list[Delivery] = []
        put_off = 0
        held = await self._held()
        for _ in range(_LOOKS):
            row = await self._next(at, held) if len(leased) < limit else None
            if row is None:
                break
            self._turn = row["workspace"]
            self._lanes[row["workspace"]] = row["lane"]
            rest = await self._rest(row["lane"], at)
            if rest.until is not None:
                put_off += await self._put_off(row, at, rest.until)
                continue
            # The one try of a resting lane is ours, though others may put its row off meanwhile.
            still = {"state": "pending", "leased_until": None} if rest.ours else self._due(at)
            taken = await self._take(row, still, _lease(held.free_slots(row), holder, at))
            if taken is None:
                # Another replica was quicker.
                held = await self._held()
                continue
            held.add(taken)
            delivery = try_read(Delivery, taken)
            # One that cannot be read waits for a version that can: until the lease ends, each time.
            if not isinstance(delivery, Unreadable):
                leased.append(delivery)
        return Leased(leased, put_off)

    async def record_try(
        self,
        delivery: Delivery,
        result: Try,
        *,
        state: DeliveryState,
        next_at: datetime | None,
    ) -> bool:
        """Writes down how the try went. False where the lease was lost meanwhile."""
        over = state != "pending"
        changes = {
            "state": state,
            "next_at": next_at,
            "expires_at": result.at + timedelta(days=KEPT_DAYS),
        }
        written = await self._database.deliveries.update_one(
            {"_id": delivery.id, "lease": delivery.lease, "state": "pending"},
            {
                "$set": changes if over else changes | {"ready": False},
                "$unset": _FREED | {"ready": ""} if over else _FREED,
                "$inc": {"tries": 1},
                "$push": {"log": {"$each": [result.model_dump()], "$slice": -_TRIES_SHOWN}},
            },
        )
        if written.matched_count and delivery.lane is not None:
            await self._note_lane(delivery.lane, result)
        return bool(written.matched_count)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Gives back what was leased and not tried to an end: due at once, for anybody."""
        await self._database.deliveries.update_many(
            {
                "_id": {"$in": [delivery.id for delivery in deliveries]},
                "lease": {"$in": [delivery.lease for delivery in deliveries]},
            },
            {"$set": {"ready": True}, "$unset": _FREED},
        )

    async def _note_lane(self, lane: str, result: Try) -> None:
        if result.status is not None:
            await self._database.webhook_breakers.delete_one({"_id": lane})
        elif result.error in UNANSWERED:
            at = result.at + timedelta(milliseconds=result.latency_ms)
            await self._database.webhook_breakers.update_one(
                {"_id": lane},
                {"$inc": {"failures": 1}, "$set": {"at": at, "expires_at": at + _BREAKER_KEPT}},
                upsert=True,
            )

    async def _adopt(self, at: datetime) -> None:
        """Takes in rows that an older release wrote."""
        cursor = self._database.deliveries.find(
            {"lane": None, "state": "pending"}, {"workspace": 1, "url": 1}
        ).limit(_ADOPTED_AT_ONCE)
        async for row in cursor:
            changes = {
                "lane": lane_of(row.get("workspace", ""), str(row.get("url", ""))),
                "ready": False,
                "give_up_at": at + GIVEN_UP_AFTER,
            }
            await self._database.deliveries.update_one(
                {"_id": row["_id"], "lane": None, "state": "pending"}, {"$set": changes}
            )

    async def _wake(self, at: datetime) -> None:
        """Readies what is due, and what was leased by somebody who did not come back."""
        await self._database.deliveries.update_many(
            {"leased_until": {"$gt": _EVER, "$lte": at}},
            {"$set": {"ready": True}, "$unset": _FREED},
        )
        await self._database.deliveries.update_many(
            {"ready": False, "next_at": {"$lte": at}}, {"$set": {"ready": True}}
        )

    async def _held(self) -> _Reservations:
        """Reads what the unique index holds, so that a slot which is free here is free there."""
        held = _Reservations()
        cursor = self._database.deliveries.find(
            {"slots": {"$exists": True}}, {"workspace": 1, "lane": 1, "slots": 1}
        )
        async for row in cursor:
            held.add(row)
        return held

    async def _next(self, at: datetime, held: _Reservations) -> dict[str, Any] | None:
        """The row whose turn it is."""
        full, lanes = held.full_workspaces(), held.full_lanes()
        due = self._due(at) | {"lane": {"$gt": "", "$nin": lanes}}
        for passed_over in (list(held.workspaces), full) if held.workspaces else ([],):
            for turn in ({"$gt": self._turn}, {"$lte": self._turn}):
                row = await self._first(due | {"workspace": turn | {"$nin": passed_over}})
                if row is None:
                    continue
                workspace = row["workspace"]
                following = {"$gt": self._lanes.get(workspace, ""), "$nin": lanes}
                own = due | {"workspace": workspace, "lane": following}
                return await self._first(own) or row
        return None

    async def _first(self, query: dict[str, Any]) -> dict[str, Any] | None:
        shown = {"workspace": 1, "lane": 1}
        row: dict[str, Any] | None = await self._database.deliveries.find_one(
            query, shown, sort=_ORDER
        )
        return row

    def _due(self, at: datetime) -> dict[str, Any]:
        # A lease beside `ready` is one of an older release.
        return {"ready": True, "state": "pending", "next_at": {"$lte": at}, "leased_until": None}

    async def _take(
        self, row: dict[str, Any], still: dict[str, Any], lease: dict[str, Any]
    ) -> dict[str, Any] | None:
        try:
            taken: dict[str, Any] | None = await self._database.deliveries.find_one_and_update(
                {"_id": row["_id"]} | still,
                {"$set": lease, "$unset": {"ready": ""}},
                return_document=True,
            )
        except DuplicateKeyError:
            return None
        return taken

    async def _rest(self, lane: str, at: datetime) -> _Rest:
        breaker = await self._database.webhook_breakers.find_one({"_id": lane})
        pause = put_off_for(breaker["failures"]) if breaker else None
        if breaker is None or pause is None:
            return _Rest()
        if breaker["at"] + pause > at:
            return _Rest(until=breaker["at"] + pause)
        asks = await self._database.webhook_breakers.update_one(
            {"_id": lane, "at": breaker["at"]},
            {"$set": {"at": at, "expires_at": at + _BREAKER_KEPT}},
        )
        return _Rest(ours=True) if asks.matched_count else _Rest(until=at + pause)

    async def _put_off(self, row: dict[str, Any], at: datetime, until: datetime) -> int:
        """Lets all that is due in the row's lane wait. Returns how many that were."""
        due = self._due(at) | {"workspace": row["workspace"], "lane": row["lane"]}
        last = Try(at=at, status=None, latency_ms=0, error="given_up")
        await self._database.deliveries.update_many(
            due | {"give_up_at": {"$lte": at}},
            {
                "$set": {
                    "state": "failed",
                    "next_at": None,
                    "expires_at": at + timedelta(days=KEPT_DAYS),
                },
                "$unset": {"ready": ""},
                "$push": {"log": {"$each": [last.model_dump()], "$slice": -_TRIES_SHOWN}},
            },
        )
        waiting = await self._database.deliveries.update_many(
            due, {"$set": {"ready": False, "next_at": until}}
        )
        return waiting.modified_count


def _lease(slots: list[str], holder: str, at: datetime) -> dict[str, Any]:
    until = at + timedelta(seconds=LEASE_SECONDS)
    return {"lease": holder, "leased_until": until, "slots": slots}
