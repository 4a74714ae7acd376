"""Places in lists that show the newest first, after which a page begins."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def after_place(place: tuple[datetime, str], *, field: str) -> dict[str, Any]:
    """The part of a query that leaves out what a list by `field` and id shows up to `place`."""
    moment, identifier = place
    return {
        # Bounds the index scan; the pair below only breaks ties within that instant.
        "$and": [{field: {"$lte": moment}}],
        "$or": [{field: {"$lt": moment}}, {field: moment, "_id": {"$lt": identifier}}],
    }
