"""Which documents a resource may take to manage."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from imagerift_core.managed_by import ManagedBy


def free_for(holder: ManagedBy, others: Collection[str]) -> dict[str, Any]:
    """The part of a query that finds what `holder` may manage: what nobody does, what it does
    itself, and what a resource of its namespace did that is gone, as its uid is not among the
    `others` there."""
    return {
        "$or": [
            {"managed_by": None},
            {"managed_by.uid": holder.uid},
            {
                "managed_by.namespace": holder.namespace,
                "managed_by.uid": {"$nin": sorted(others)},
            },
        ]
    }
