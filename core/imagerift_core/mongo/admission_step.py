"""What one admitting transaction does, for one candidate or for many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from imagerift_core import quota
from imagerift_core.errors import QueueFull, QuotaExhausted
from imagerift_core.jobs import JobRecord, QuotaReservation
from imagerift_core.mongo.batches import Batch
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.idempotency import KeyClaim
from imagerift_core.mongo.transactions import Session


class Used(NamedTuple):
    """What a counter says: units charged, and units reserved by jobs that have not ended."""

    charged: int
    reserved: int


@dataclass(frozen=True)
class QueueLimit:
    """How many units may be reserved; `carried` are the period before's."""

    limit: int
    carried: int = 0

    def left(self, reserved: int) -> int:
        return self.limit - self.carried - reserved


@dataclass(frozen=True)
class Candidate:
    """Records that are admitted together or not at all; `reservation` is for all of them.

    One with a claim or a batch is alone in its transaction. None begins after `begin_by`, by the
    monotonic clock.
    """

    records: Sequence[JobRecord]
    reservation: QuotaReservation
    resets_at: datetime
    claim: KeyClaim | None = None
    batch: Batch | None = None
    queue: QueueLimit | None = None
    begin_by: float | None = None

    @property
    def is_late(self) -> bool:
        return self.begin_by is not None and time.monotonic() > self.begin_by

    def refusal(self, used: Used) -> QuotaExhausted | QueueFull | None:
        """Why it does not fit beside what is used already; a quota that is used up comes first."""
        reservation = self.reservation
        if used.charged + used.reserved + reservation.units > reservation.limit:
            return QuotaExhausted(
                units=reservation.units,
                limit=reservation.limit,
                charged=used.charged,
                reserved=used.reserved,
                resets_at=self.resets_at,
            )
        if self.queue is not None and reservation.units > self.queue.left(used.reserved):
            return QueueFull(
                units=reservation.units,
                limit=self.queue.limit,
                reserved=used.reserved + self.queue.carried,
            )
        return None


# The records as stored, or None where one of their ids is known already.
Outcome = list[JobRecord] | None


class CounterMissing(LookupError):
    """A quota counter that was ensured is not there."""


async def admit_in(
    database: Database, session: Session, group: Sequence[Candidate]
) -> tuple[list[Outcome | Exception], dict[str, Used]]:
    """An outcome for each candidate, and what is used of each counter afterwards.

    In a group a candidate that is refused leaves no trace. One that is alone is refused by
    raising, so that its claim is undone. Raises `KeyTaken`, `IdempotencyInProgress`,
    `CounterMissing` and the driver's errors.
    """
    outcomes: list[Outcome | Exception] = [None] * len(group)
    known = await _known_ids(database, session, group)
    by_counter: dict[str, list[int]] = {}
    for index, candidate in enumerate(group):
        ids = [record.id for record in candidate.records]
        if not known.isdisjoint(ids):
            continue
        # A second one of the same id in this group is known by the time it is looked at.
        known.update(ids)
        by_counter.setdefault(candidate.reservation.counter, []).append(index)
        if candidate.claim is not None:
            await candidate.claim.write(database, session)
    used = {}
    # Always in the same order, so that two groups meet at the first counter they share.
    for counter, indexes in sorted(by_counter.items()):
        after = await _reserve(database, session, counter, [group[index] for index in indexes])
        used[counter] = after.used
        for index, refusal in zip(indexes, after.refusals, strict=True):
            if refusal is None:
                outcomes[index] = _admitted(group[index], after.used.charged)
            elif len(group) == 1:
                raise refusal
            else:
                outcomes[index] = refusal
    await _insert(database, session, group, outcomes)
    return outcomes, used


@dataclass(frozen=True)
class _Reservations:
    """A counter after the reservations, and for each candidate None or why it was refused."""

    used: Used
    refusals: list[QuotaExhausted | QueueFull | None]


async def _known_ids(database: Database, session: Session, group: Sequence[Candidate]) -> set[str]:
    query = {"_id": {"$in": [record.id for candidate in group for record in candidate.records]}}
    known = set()
    for collection in (database.tombstones, database.jobs):
        cursor = collection.find(query, {"_id": 1}, session=session)
        known |= {document["_id"] async for document in cursor}
    return known


async def _reserve(
    database: Database, session: Session, counter: str, candidates: Sequence[Candidate]
) -> _Reservations:
    units = sum(candidate.reservation.units for candidate in candidates)
    limit = min(candidate.reservation.limit for candidate in candidates)
    query: dict[str, Any] = {
        "_id": counter,
        "$expr": {"$lte": [{"$add": ["$charged", "$reserved", units]}, limit]},
    }
    left = [candidate.queue.left(units) for candidate in candidates if candidate.queue]
    if left:
        query["reserved"] = {"$lte": min(left)}
    document = await database.counters.find_one_and_update(
        query,
        {"$inc": {"reserved": units}},
        return_document=True,
        session=session,
    )
    if document is not None:
        used = Used(document["charged"], document["reserved"])
        return _Reservations(used, [None] * len(candidates))
    document = await database.counters.find_one({"_id": counter}, session=session)
    if document is None:
        raise CounterMissing(counter)
    reservations = _reserve_in_order(document, candidates)
    if reservations.used.reserved > document["reserved"]:
        # The counter is still as it was read: had anybody changed it, this write would end the
        # transaction.
        await database.counters.update_one(
            {"_id": counter},
            {"$inc": {"reserved": reservations.used.reserved - document["reserved"]}},
            session=session,
        )
    return reservations


def _reserve_in_order(document: dict[str, Any], candidates: Sequence[Candidate]) -> _Reservations:
    """Grants those that fit, in the order in which they came."""
    used = Used(document["charged"], document["reserved"])
    refusals: list[QuotaExhausted | QueueFull | None] = []
    for candidate in candidates:
        refusal = candidate.refusal(used)
        refusals.append(refusal)
        if refusal is None:
            used = used._replace(reserved=used.reserved + candidate.reservation.units)
    return _Reservations(used, refusals)


def _admitted(candidate: Candidate, charged: int) -> list[JobRecord]:
    left = quota.remaining(candidate.reservation.limit, charged)
    seen = {"remaining": left, "remaining_after_queue": left}
    return [
        record.model_copy(update={"quota": record.quota.model_copy(update=seen)})
        for record in candidate.records
    ]


async def _insert(
    database: Database,
    session: Session,
    group: Sequence[Candidate],
    outcomes: Sequence[Outcome | Exception],
) -> None:
    documents = [
        record.document() for outcome in outcomes if isinstance(outcome, list) for record in outcome
    ]
    if documents:
        await database.jobs.insert_many(documents, session=session)
    for candidate, outcome in zip(group, outcomes, strict=True):
        if candidate.batch is not None and isinstance(outcome, list):
            await database.batches.insert_one(candidate.batch.document(), session=session)
