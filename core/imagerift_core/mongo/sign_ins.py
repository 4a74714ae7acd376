"""Sign-ins under way, and sessions that were ended before their time."""

from __future__ import annotations

import hashlib
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pymongo.errors import DuplicateKeyError

from imagerift_core.mongo.store import Store
from imagerift_core.stored import read


class SignInUnderWay(BaseModel):
    """What the callback of a sign-in needs. `browser_hash` binds it to the browser that began."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    nonce: str
    verifier: str
    browser_hash: str
    expires_at: datetime


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


class SignInStore(Store):
    """Sign-ins under way, and sessions that were ended."""

    async def begin(self, state: str, sign_in: SignInUnderWay) -> None:
        await self._database.sign_ins.insert_one(sign_in.model_dump() | {"_id": _hashed(state)})

    async def take(self, state: str, *, at: datetime) -> SignInUnderWay | None:
        """The sign-in of `state`, once; None where it was taken, has expired or never was."""
        document = await self._database.sign_ins.find_one_and_delete(
            {"_id": _hashed(state), "expires_at": {"$gt": at}}
        )
        return read(SignInUnderWay, document) if document else None

    async def end_session(self, session: str, *, expires_at: datetime) -> None:
        """From now on the session is refused; it is remembered until it would have expired."""
        try:
            await self._database.ended_sessions.insert_one(
                {"_id": session, "expires_at": expires_at}
            )
        except DuplicateKeyError:
            return

    async def is_ended(self, session: str) -> bool:
        return (
            await self._database.ended_sessions.find_one({"_id": session}, {"_id": 1}) is not None
        )
