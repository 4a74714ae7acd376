"""nothing → queued: one transaction reserves the quota and inserts the records: acceptance."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from weakref import WeakValueDictionary

from cachetools import LRUCache, TTLCache
from pymongo.errors import DuplicateKeyError, PyMongoError

from imagerift_core import quota
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord, QuotaReservation
from imagerift_core.micro_batching import MicroBatcher
from imagerift_core.mongo.admission_step import (
    Candidate,
    CounterMissing,
    Outcome,
    QueueLimit,
    Used,
    admit_in,
)
from imagerift_core.mongo.batches import Batch
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import is_passing
from imagerift_core.mongo.idempotency import KeyClaim
from imagerift_core.mongo.store import Store

_GROUP_SIZE = 64
_GROUP_PAUSE_SECONDS = 0.04
_REMEMBERED_COUNTERS = 100_000
_USED_SECONDS = 1.0


class Admissions(Store):
    """Admits jobs. Those that come together in one process share a transaction.

    One with an idempotency key or a batch has a transaction of its own, since either may
    undo it; on one counter these take turns, and across processes the database decides.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._group: MicroBatcher[Candidate, Outcome] = MicroBatcher(
            self._admit_group, max_items=_GROUP_SIZE, pause=_GROUP_PAUSE_SECONDS
        )
        # Holds a lock only while somebody uses it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Counters are never deleted, so one that was there stays.
        self._ensured: LRUCache[str, bool] = LRUCache(_REMEMBERED_COUNTERS)
        # Counters of past periods with nothing reserved any more, and so never again.
        self._drained: LRUCache[str, bool] = LRUCache(_REMEMBERED_COUNTERS)
        self._used: TTLCache[str, Used] = TTLCache(_REMEMBERED_COUNTERS, _USED_SECONDS)

    async def admit(
        self,
        record: JobRecord,
        *,
        resets_at: datetime,
        claim: KeyClaim | None = None,
        queue_limit: int | None = None,
    ) -> JobRecord | None:
        """Reserves `record.quota.units` within `record.quota.limit` and inserts the record.

        With `queue_limit` the workspace has at most so many units reserved at any time.

        Returns the record with the counter's `remaining`, or None where a record or a
        tombstone of that id exists already, in which case nothing is reserved.

        Raises `QuotaExhausted`, `QueueFull`, `CapacityUnavailable`, or `KeyTaken` or
        `IdempotencyInProgress` of `claim`; then nothing is stored. Raises `OutcomeUnknown`
        where the store did not answer to the commit: `DOUBT_SECONDS` later the record is
        there or never will be.
        """
        admitted = await self.admit_all(
            [record], resets_at=resets_at, claim=claim, queue_limit=queue_limit
        )
        return admitted[0] if admitted else None

    async def admit_all(
        self,
        records: Sequence[JobRecord],
        *,
        resets_at: datetime,
        claim: KeyClaim | None = None,
        batch: Batch | None = None,
        queue_limit: int | None = None,
        begin_by: float | None = None,
    ) -> list[JobRecord] | None:
        """Admits every record or none; all of them reserve units of the same counter.

        Nothing is begun after `begin_by` of the monotonic clock.

        Returns and raises what `admit` does.
        """
        reservation = _joint_reservation(records)
        counter = reservation.counter
        queue = await self._queue_limit_of(counter, queue_limit)
        candidate = Candidate(records, reservation, resets_at, claim, batch, queue, begin_by)
        if counter not in self._ensured:
            await self._ensure_counter(counter, records[0].workspace)
        if claim is None and batch is None:
            return await self._group.add(candidate)
        async with self._locks.setdefault(counter, asyncio.Lock()):
            return await self._admit_alone(candidate)

    async def check_limits(
        self, reservation: QuotaReservation, *, resets_at: datetime, queue_limit: int | None = None
    ) -> None:
        """Raises `QuotaExhausted` or `QueueFull` where the counter is seen to be full already.

        Reserves nothing and promises nothing: it spares work that admission would refuse. What
        a counter said within the last second is not read again where that was enough.
        """
        queue = await self._queue_limit_of(reservation.counter, queue_limit)
        candidate = Candidate([], reservation, resets_at, queue=queue)
        used = self._used.get(reservation.counter)
        if used is not None and candidate.refusal(used) is None:
            return
        used = self._used[reservation.counter] = await self._read(reservation.counter)
        refusal = candidate.refusal(used)
        if refusal is not None:
            raise refusal

    async def _queue_limit_of(self, counter: str, limit: int | None) -> QueueLimit | None:
        """The limit of a queue, in which jobs of the period before may still be."""
        if limit is None:
            return None
        before = quota.counter_before(counter)
        if before in self._drained:
            return QueueLimit(limit)
        carried = (await self._read(before)).reserved
        if not carried:
            self._drained[before] = True
        return QueueLimit(limit, carried)

    async def _read(self, counter: str) -> Used:
        document = await self._database.counters.find_one({"_id": counter})
        return Used(document["charged"], document["reserved"]) if document else Used(0, 0)

    async def _admit_group(self, group: list[Candidate]) -> list[Outcome | Exception]:
        try:
            return await self._transact(group)
        except Exception as error:
            # Passing trouble, or a commit whose outcome nobody knows, is everyone's; any other
            # is the fault of one, whom the others must not suffer for.
            if len(group) == 1 or is_passing(error):
                raise
        return [await self._outcome_of(candidate) for candidate in group]

    async def _outcome_of(self, candidate: Candidate) -> Outcome | Exception:
        try:
            return await self._admit_alone(candidate)
        except Exception as error:  # noqa: BLE001 - raised to whoever waits for it
            return error

    async def _admit_alone(self, candidate: Candidate) -> list[JobRecord] | None:
        (outcome,) = await self._transact([candidate])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _transact(self, group: list[Candidate]) -> list[Outcome | Exception]:
        late = [candidate.is_late for candidate in group]
        timely = [candidate for candidate, is_late in zip(group, late, strict=True) if not is_late]
        outcomes = iter(await self._transact_timely(timely) if timely else ())
        return [
            CapacityUnavailable("The job could not be accepted in time.")
            if is_late
            else next(outcomes)
            for is_late in late
        ]

    async def _transact_timely(self, group: list[Candidate]) -> list[Outcome | Exception]:
        try:
            outcomes, used = await self._database.transaction(
                lambda session: admit_in(self._database, session, group)
            )
        except CounterMissing:
            # Seen before and gone: the database was put back from a backup.
            for candidate in group:
                await self._ensure_counter(
                    candidate.reservation.counter, candidate.records[0].workspace
                )
            outcomes, used = await self._database.transaction(
                lambda session: admit_in(self._database, session, group)
            )
        self._used.update(used)
        return outcomes

    async def _ensure_counter(self, counter: str, workspace: str) -> None:
        try:
            await self._database.counters.update_one(
                {"_id": counter},
                {"$setOnInsert": {"charged": 0, "reserved": 0, "workspace": workspace}},
                upsert=True,
            )
        except DuplicateKeyError:
            pass
        except PyMongoError as error:
            # An empty counter may be there or not: nobody has to know.
            if not is_passing(error):
                raise
            raise CapacityUnavailable("The job store does not answer.") from error
        self._ensured[counter] = True


def _joint_reservation(records: Sequence[JobRecord]) -> QuotaReservation:
    """What the records reserve together; all but the units is the first one's."""
    if len({record.quota.counter for record in records}) != 1:
        raise ValueError("records that are admitted together must share one counter")
    units = sum(record.quota.units for record in records)
    return records[0].quota.model_copy(update={"units": units})
