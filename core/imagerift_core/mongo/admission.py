"""nothing → queued: one transaction holds the quota and inserts the records: acceptance."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from pymongo.errors import DuplicateKeyError

from imagerift_core import quota
from imagerift_core.errors import QuotaExhausted
from imagerift_core.jobs import JobRecord, QuotaHold
from imagerift_core.mongo.batches import Batch
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.idempotency import KeyClaim


class Admissions:
    """Admits jobs.

    Transactions of one process on the same counter take turns, since two at once would only
    conflict and run again; across processes the database decides.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Holds a lock only while somebody uses it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def admit(
        self, record: JobRecord, *, resets_at: datetime, claim: KeyClaim | None = None
    ) -> JobRecord | None:
        """Holds `record.quota.units` within `record.quota.limit` and inserts the record.

        Returns the record with the counter's `remaining`, or None where a record or a
        tombstone of that id exists already, in which case nothing is held.

        Raises `QuotaExhausted`, or `KeyTaken` or `IdempotencyInProgress` of `claim`; then
        nothing is stored.
        """
        admitted = await self.admit_all([record], resets_at=resets_at, claim=claim)
        return admitted[0] if admitted else None

    async def admit_all(
        self,
        records: Sequence[JobRecord],
        *,
        resets_at: datetime,
        claim: KeyClaim | None = None,
        batch: Batch | None = None,
    ) -> list[JobRecord] | None:
        """Admits every record or none; all of them hold units of the same counter.

        Returns and raises what `admit` does.
        """
        hold = _joint_hold(records)
        identifiers = [record.id for record in records]
        await self._ensure_counter(hold.counter, records[0].workspace)

        async def body(session: Any) -> list[JobRecord] | None:
            known = {"_id": {"$in": identifiers}}
            if await self._database.tombstones.find_one(known, session=session):
                return None
            if await self._database.jobs.find_one(known, {"_id": 1}, session=session):
                return None
            if claim is not None:
                await claim.write(self._database, session)
            counter = await self._hold(hold, session, resets_at)
            left = quota.remaining(hold.limit, counter["charged"])
            admitted = [_with_remaining(record, left) for record in records]
            await self._database.jobs.insert_many(
                [record.document() for record in admitted], session=session
            )
            if batch is not None:
                await self._database.batches.insert_one(batch.document(), session=session)
            return admitted

        async with self._turns.setdefault(hold.counter, asyncio.Lock()):
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

    async def _hold(self, hold: QuotaHold, session: Any, resets_at: datetime) -> dict[str, Any]:
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

    async def _ensure_counter(self, counter: str, workspace: str) -> None:
        try:
            await self._database.counters.update_one(
                {"_id": counter},
                {"$setOnInsert": {"charged": 0, "reserved": 0, "workspace": workspace}},
                upsert=True,
            )
        except DuplicateKeyError:
            return


def _joint_hold(records: Sequence[JobRecord]) -> QuotaHold:
    """What the records hold together, in the terms of the first one."""
    if len({record.quota.counter for record in records}) != 1:
        raise ValueError("records that are admitted together must share one counter")
    units = sum(record.quota.units for record in records)
    return records[0].quota.model_copy(update={"units": units})


def _with_remaining(record: JobRecord, left: int) -> JobRecord:
    held = record.quota.model_copy(update={"remaining": left, "remaining_after_queue": left})
    return record.model_copy(update={"quota": held})


def _exhausted(hold: QuotaHold, counter: dict[str, Any], resets_at: datetime) -> QuotaExhausted:
    return QuotaExhausted(
        units=hold.units,
        limit=hold.limit,
        charged=counter["charged"],
        reserved=counter["reserved"],
        resets_at=resets_at,
    )
