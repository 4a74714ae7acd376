"""Ended resources that are still there when they should be gone are deleted again."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from imagerift_core.clock import now
from imagerift_operator.entries import Entry, entry_of
from imagerift_operator.janitor import RESOURCE_GRACE, Janitor

from tests.unit.operator.test_entries import body
from tests.unit.operator.test_job_feed import Deletions

NOTHING: Any = None


def ended_entry(uid: str, *, due_since: timedelta) -> Entry:
    entry = entry_of(body())
    entry.uid, entry.phase, entry.verified = uid, "Succeeded", True
    entry.finished_at = now() - due_since - timedelta(seconds=entry.ttl_seconds)
    return entry


async def test_only_what_is_long_due_and_known_to_have_ended_is_deleted_again() -> None:
    deletions = Deletions()
    live = entry_of(body())
    entries = [
        live,
        ended_entry("just due", due_since=RESOURCE_GRACE / 2),
        ended_entry("lost", due_since=RESOURCE_GRACE * 2),
    ]
    feed: Any = SimpleNamespace(entries={entry.uid: entry for entry in entries})
    writer: Any = deletions
    janitor = Janitor(
        database=NOTHING,
        store=NOTHING,
        kube=NOTHING,
        feed=feed,
        scheduler=NOTHING,
        dispatcher=NOTHING,
        writer=writer,
        leadership=NOTHING,
        queue=NOTHING,
        metrics=NOTHING,
        namespace="imagerift",
    )
    await janitor.verify_ends()
    assert deletions.due == ["lost"]
