"""How many waits and event streams a workspace has open, exact across replicas.

One document a workspace holds a lease for each. Leases expire by the database's own clock, so
those of a process that died end by themselves.
"""

from __future__ import annotations

from typing import Any

from pymongo.errors import DuplicateKeyError

from imagerift_core.mongo.store import Store

LEASE_SECONDS = 30
_DOCUMENT_SECONDS = 3600


class StreamLeaseStore(Store):
    """Leases of a workspace's waits and event streams."""

    async def take(self, workspace: str, lease: str, *, limit: int) -> bool:
        """Takes or renews `lease`. False where `limit` others are held."""
        others = {
            "$filter": {
                "input": {"$ifNull": ["$leases", []]},
                "cond": {
                    "$and": [{"$gt": ["$$this.expires_at", "$$NOW"]}, {"$ne": ["$$this.id", lease]}]
                },
            }
        }
        ours = {"id": lease, "expires_at": _in_seconds(LEASE_SECONDS)}
        update = [
            {"$set": {"leases": others, "expires_at": _in_seconds(_DOCUMENT_SECONDS)}},
            {
                "$set": {
                    "leases": {
                        "$cond": [
                            {"$lt": [{"$size": "$leases"}, limit]},
                            {"$concatArrays": ["$leases", [ours]]},
                            "$leases",
                        ]
                    }
                }
            },
        ]
        while True:
            try:
                document = await self._database.streams.find_one_and_update(
                    {"_id": workspace}, update, upsert=True, return_document=True
                )
            except DuplicateKeyError:
                # Two first streams of a workspace met; the document is there now.
                continue
            return any(held["id"] == lease for held in document["leases"])

    async def release(self, workspace: str, lease: str) -> None:
        await self._database.streams.update_one(
            {"_id": workspace}, {"$pull": {"leases": {"id": lease}}}
        )


def _in_seconds(seconds: int) -> dict[str, Any]:
    return {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": seconds}}
