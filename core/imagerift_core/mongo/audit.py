"""Recomputes every counter from what it counts, and reports any difference."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from imagerift_core.jobs import Status
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session

_LIVE = [Status.QUEUED.value, Status.PROCESSING.value]


@dataclass(frozen=True)
class Difference:
    """A counter that does not say what records, ledger and uploads say."""

    counter: str
    field: str
    stored: int
    recomputed: int


class QuotaAudit(Store):
    """Compares counters with what they are made of."""

    async def differences(self) -> list[Difference]:
        """Every difference between counters, ledger and records; none is the only right answer.

        `reserved` must be the units of live records, `charged` the ledger's rows. Read it on a
        quiet system or twice: the reads are one snapshot, taken in a transaction.
        """

        async def body(session: Session) -> list[Difference]:
            reserved: Counter[str] = Counter()
            async for row in self._database.jobs.aggregate(
                [
                    {"$match": {"status": {"$in": _LIVE}}},
                    {"$group": {"_id": "$quota.counter", "units": {"$sum": "$quota.units"}}},
                ],
                session=session,
            ):
                reserved[row["_id"]] = row["units"]
            charged: Counter[str] = Counter()
            async for row in self._database.ledger.aggregate(
                [{"$group": {"_id": "$counter", "units": {"$sum": "$units"}}}], session=session
            ):
                charged[row["_id"]] = row["units"]
            stored = {
                row["_id"]: row async for row in self._database.counters.find(session=session)
            }
            found = []
            for counter in sorted(set(stored) | set(reserved) | set(charged)):
                row = stored.get(counter, {"reserved": 0, "charged": 0})
                for name, recomputed in (
                    ("reserved", reserved[counter]),
                    ("charged", charged[counter]),
                ):
                    if row[name] != recomputed:
                        found.append(Difference(counter, name, row[name], recomputed))
            return [*found, *await self._of_uploads(session)]

        return await self._database.transaction(body)

    async def _of_uploads(self, session: Session) -> list[Difference]:
        """What is counted of each workspace's uploads, against the uploads; some never had any."""
        kept = {
            row["_id"]: int(row["bytes"])
            async for row in self._database.uploads.aggregate(
                [{"$group": {"_id": "$workspace", "bytes": {"$sum": "$size_bytes"}}}],
                session=session,
            )
        }
        stored = self._database.upload_bytes.find(session=session)
        return [
            Difference(f"uploads:{row['_id']}", "bytes", row["bytes"], kept.get(row["_id"], 0))
            async for row in stored
            if row["bytes"] != kept.get(row["_id"], 0)
        ]
