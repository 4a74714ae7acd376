"""What a process writes to make the next attempt of a job its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagerift_core.jobs import SCHEMA_VERSION, Status


@dataclass(frozen=True)
class Claim:
    """A claim of attempt `attempt` + 1 of a job, sent to a pool, for this resource's uid."""

    job_id: str
    attempt: int
    owner: str
    pool: str
    resource_uid: str
    at: datetime
    attempt_deadline: datetime

    def query(self) -> dict[str, Any]:
        """Finds the job while it is as the claim takes it to be."""
        return {
            "_id": self.job_id,
            "status": Status.QUEUED.value,
            "attempt": self.attempt,
            "cancel_requested": False,
            "resource_uid": {"$in": [None, self.resource_uid]},
            "schema_version": {"$not": {"$gt": SCHEMA_VERSION}},
        }

    def update(self) -> dict[str, Any]:
        written = {
            "status": Status.PROCESSING.value,
            "owner": self.owner,
            "pool": self.pool,
            "resource_uid": self.resource_uid,
            "started_at": self.at,
            "attempt_deadline_at": self.attempt_deadline,
            "not_before": None,
        }
        return {"$set": written, "$inc": {"attempt": 1}}

    def is_written_in(self, document: dict[str, Any]) -> bool:
        """Whether the stored record is as this very claim has left it."""
        return all(document.get(name) == value for name, value in self._mark().items())

    def reversal(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Finds the job as this claim has left it, and queues it again as before."""
        before = {"status": Status.QUEUED.value, "owner": None, "attempt_deadline_at": None}
        return {"_id": self.job_id} | self._mark(), {"$set": before, "$inc": {"attempt": -1}}

    def _mark(self) -> dict[str, Any]:
        return {
            "status": Status.PROCESSING.value,
            "owner": self.owner,
            "attempt": self.attempt + 1,
            "started_at": self.at,
        }
