"""Places in lists after which a page begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from imagerift_core.stored import Unreadable, try_read

Model = TypeVar("Model", bound=BaseModel)


def after_place(place: tuple[datetime, str], *, field: str) -> dict[str, Any]:
    """The part of a query that leaves out what a list by `field` and id, newest first, shows up to
    `place`."""
    moment, identifier = place
    return {
        # Bounds the index scan; the pair below only breaks ties within that instant.
        "$and": [{field: {"$lte": moment}}],
        "$or": [{field: {"$lt": moment}}, {field: moment, "_id": {"$lt": identifier}}],
    }


@dataclass(frozen=True)
class IdPage(Generic[Model]):
    """The documents of a page that can be read, and the id after which the next page begins."""

    found: list[Model]
    after: str | None


async def page_by_id(
    model: type[Model], collection: Any, *, after: str, limit: int
) -> IdPage[Model]:
    """Up to `limit` of a whole collection in the order of their ids, after the id `after`."""
    rows = collection.find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit + 1)
    documents = [document async for document in rows]
    read = [try_read(model, document) for document in documents[:limit]]
    more = len(documents) > limit
    return IdPage(
        [one for one in read if not isinstance(one, Unreadable)],
        after=documents[limit - 1]["_id"] if more else None,
    )
