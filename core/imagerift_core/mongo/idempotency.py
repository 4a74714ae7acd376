"""Idempotency keys: which accepted request a key stands for, for 24 hours per workspace.

The row is written by the very transaction that accepts the request, so there is one exactly for
each accepted request, whatever process dies.
"""

from __future__ import annotations

import hashlib
import time
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import OperationFailure

from imagerift_core.errors import IdempotencyInProgress
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import ReadAlready, Session
from imagerift_core.stored import read

LIFETIME = timedelta(hours=24)
# How long a request waits for the outcome of another one that is being admitted.
_WAIT_SECONDS = 2.0
_WRITE_CONFLICT = 112


class AcceptedKey(BaseModel):
    """What a key stands for. `fingerprint` is a digest of the request, `result` an id."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    fingerprint: str
    result: str
    expires_at: datetime


class KeyTaken(ReadAlready):
    """The key stands for an accepted request already; nothing of this one is stored."""

    def __init__(self, accepted: AcceptedKey) -> None:
        super().__init__("the idempotency key was accepted before")
        self.accepted = accepted


def row_id(workspace: str, key: str) -> str:
    """The row of a workspace's key. Keys are hashed: they are the client's, and of any kind."""
    return f"{workspace}:{hashlib.sha256(key.encode()).hexdigest()}"


class IdempotencyKeyStore(Store):
    """Which accepted requests keys stand for; transactions write them by `KeyClaim`."""

    async def find(self, identifier: str, *, at: datetime) -> AcceptedKey | None:
        """The accepted request that the key stands for, None where it is free or has expired."""
        document = await self._database.idempotency_keys.find_one(
            {"_id": identifier, "expires_at": {"$gt": at}}
        )
        return read(AcceptedKey, document) if document else None


class KeyClaim:
    """Claims a key inside an admitting transaction, which may run several times."""

    def __init__(self, accepted: AcceptedKey, *, at: datetime) -> None:
        self.accepted = accepted
        self._at = at
        self._first_conflict: float | None = None

    async def write(self, database: Database, session: Session) -> None:
        """Inserts the row.

        Raises `KeyTaken` where the key stands for another request, `IdempotencyInProgress`
        where one that is being admitted does not come to an end, and the driver's transient
        error, on which the transaction runs again, until then.
        """
        query = {"_id": self.accepted.id}
        document = await database.idempotency_keys.find_one(query, session=session)
        if document is not None and document["expires_at"] > self._at:
            raise KeyTaken(read(AcceptedKey, document))
        try:
            await database.idempotency_keys.replace_one(
                query, self.accepted.model_dump(by_alias=True), upsert=True, session=session
            )
        except OperationFailure as error:
            if error.code == _WRITE_CONFLICT:
                self._check_wait()
            raise

    def _check_wait(self) -> None:
        at = time.monotonic()
        if self._first_conflict is None:
            self._first_conflict = at
        if at - self._first_conflict > _WAIT_SECONDS:
            raise IdempotencyInProgress(
                "A request with this Idempotency-Key is being accepted; ask again."
            )
