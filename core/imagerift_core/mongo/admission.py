"""nothing → queued: one transaction holds the quota and inserts the record: acceptance."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from pymongo.errors import DuplicateKeyError

from imagerift_core import quota
from imagerift_core.errors import QuotaExhausted
from imagerift_core.jobs import JobRecord, QuotaHold
from imagerift_core.mongo.database import Database


class Admissions:
    """Admits jobs.

    Transactions of one process on the same counter take turns, since two at once would only
    conflict and run again; across processes the database decides.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Holds a lock only while somebody uses it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def admit(self, record: JobRecord, *, resets_at: datetime) -> JobRecord | None:
        """Holds `record.quota.units` within `record.quota.limit` and inserts the record.

        Returns the record with the counter's `remaining`, or None where a record or a
        tombstone of that id exists already, in which case nothing is held.

        Raises `QuotaExhausted`; then nothing is stored.
        """
        await self._ensure_counter(record)

        async def body(session: Any) -> JobRecord | None:
            if await self._database.tombstones.find_one({"_id": record.id}, session=session):
                return None
            if await self._database.jobs.find_one({"_id": record.id}, {"_id": 1}, session=session):
                return None
            counter = await self._hold(record, session, resets_at)
            left = quota.remaining(record.quota.limit, counter["charged"])
            held = record.quota.model_copy(
                update={"remaining": left, "remaining_after_queue": left}
            )
            admitted = record.model_copy(update={"quota": held})
            await self._database.jobs.insert_one(admitted.document(), session=session)
            return admitted

        async with self._turns.setdefault(record.quota.counter, asyncio.Lock()):
            return await self._database.transaction(body)

    async def check_room(self, hold: QuotaHold, *, resets_at: datetime) -> None:
        """Raises `QuotaExhausted` where the counter is seen to be full already.

        Holds nothing and promises nothing: it spares work that admission would refuse.
        """
        counter = await self._database.counters.find_one({"_id": hold.counter})
        if counter is None:
            counter = {"charged": 0, "reserved": 0}
        if counter["charged"] + counter["reserved"] + hold.units > hold.limit:
            raise _exhausted(hold, counter, resets_at)

    async def _hold(self, record: JobRecord, session: Any, resets_at: datetime) -> dict[str, Any]:
        hold = record.quota
        counter = await self._database.counters.find_one_and_update(
            {
                "_id": hold.counter,
                "$expr": {"$lte": [{"$add": ["$charged", "$reserved", hold.units]}, hold.limit]},
            },
            {"$inc": {"reserved": hold.units}},
            return_document=True,
            session=session,
        )
        if counter is not None:
            return counter
        full = await self._database.counters.find_one({"_id": hold.counter}, session=session)
        assert full is not None  # noqa: S101 - ensured before the transaction, never deleted
        raise _exhausted(hold, full, resets_at)

    async def _ensure_counter(self, record: JobRecord) -> None:
        try:
            await self._database.counters.update_one(
                {"_id": record.quota.counter},
                {"$setOnInsert": {"charged": 0, "reserved": 0, "workspace": record.workspace}},
                upsert=True,
            )
        except DuplicateKeyError:
            return


def _exhausted(hold: QuotaHold, counter: dict[str, Any], resets_at: datetime) -> QuotaExhausted:
    return QuotaExhausted(
        units=hold.units,
        limit=hold.limit,
        charged=counter["charged"],
        reserved=counter["reserved"],
        resets_at=resets_at,
    )
