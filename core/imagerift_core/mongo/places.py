"""Places in lists after which a page begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def id_page(
    model: type[Model], documents: Sequence[Mapping[str, Any]], *, limit: int
) -> IdPage[Model]:
    """The page of up to `limit` that these documents, in the order of their ids, are; one more than
    that says that another page follows."""
    read = [try_read(model, document) for document in documents[:limit]]
    return IdPage(
        [one for one in read if not isinstance(one, Unreadable)],
        after=documents[limit - 1]["_id"] if len(documents) > limit else None,
    )
