"""Sign-ins under way, and sessions that were ended before their time."""

from __future__ import annotations

import hashlib
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pymongo.errors import DuplicateKeyError

from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated


class SignInUnderWay(BaseModel):
    """What the callback of a sign-in needs. `browser_hash` binds it to the browser that began."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    nonce: str
    verifier: str
    browser_hash: str
    expires_at: datetime


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


@translated
async def begin(database: Database, state: str, sign_in: SignInUnderWay) -> None:
    await database.sign_ins.insert_one(sign_in.model_dump() | {"_id": _hashed(state)})


@translated
async def take(database: Database, state: str, *, at: datetime) -> SignInUnderWay | None:
    """The sign-in of `state`, once; None where it was taken, has expired or never was."""
    document = await database.sign_ins.find_one_and_delete(
        {"_id": _hashed(state), "expires_at": {"$gt": at}}
    )
    return SignInUnderWay.model_validate(document) if document else None


@translated
async def end_session(database: Database, session: str, *, expires_at: datetime) -> None:
    """From now on the session is refused; it is remembered until it would have expired."""
    try:
        await database.ended_sessions.insert_one({"_id": session, "expires_at": expires_at})
    except DuplicateKeyError:
        return


@translated
async def is_ended(database: Database, session: str) -> bool:
    return await database.ended_sessions.find_one({"_id": session}, {"_id": 1}) is not None
