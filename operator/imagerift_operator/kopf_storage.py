"""Kopf's memory of objects, left empty: event handlers compare nothing and are never resumed.

Kopf builds its picture of an object at every event, for handlers of changes that do not exist
here; deep copies of whole resources were a quarter of the operator's time.
"""

from __future__ import annotations

from typing import Any

import kopf


class NoComparison(kopf.DiffBaseStorage):
    """Keeps no last state, and finds nothing in an object that could have changed."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """Keeps no handler's progress: what an event handler missed, the sweeps find."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence
