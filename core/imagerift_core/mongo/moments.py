"""Times of records that say since when something is so, such as when a key was revoked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from imagerift_core.mongo.transactions import Session

Document = dict[str, Any]


async def set_once(
    collection: AsyncIOMotorCollection[Document],
    known: Document,
    field: str,
    at: datetime | None,
    session: Session,
) -> tuple[Document | None, bool]:
    """Sets the time `field` of the record that `known` names, or ends it where `at` is None.

    The record, None where there is none, and whether it was changed: the first time stays.
    """
    document = await collection.find_one_and_update(
        known | {field: {"$ne": None} if at is None else None},
        {"$set": {field: at}},
        return_document=True,
        session=session,
    )
    if document is not None:
        return document, True
    return await collection.find_one(known, session=session), False
