"""The operator's index of the resources of jobs, which alone writes to its entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from imagerift_core.jobs import JobRecord
from imagerift_core.resources import build_generation_job

from imagerift_operator.job_entry import JobEntry, entry_of


@dataclass(frozen=True)
class Sighting:
    """What `JobIndex.observe` found: the entry, whether it is new, and whether its cancel is."""

    entry: JobEntry
    is_new: bool
    asks_cancel: bool


class JobIndex:
    """The live resources, by uid and by job id. No other part writes to a `JobEntry`.

    `ttl_override` stands in place of every resource's own `ttlSecondsAfterFinished`.
    """

    def __init__(self, *, ttl_override: int | None = None) -> None:
        self._ttl_override = ttl_override
        self._by_uid: dict[str, JobEntry] = {}
        # Jobs of the API's, whose resource bears their id as its name; the others' is the uid.
        self._of_api: dict[str, JobEntry] = {}

    def __len__(self) -> int:
        return len(self._by_uid)

    def __iter__(self) -> Iterator[JobEntry]:
        """Over what there is now, whatever comes and goes meanwhile."""
        return iter(list(self._by_uid.values()))

    def __contains__(self, uid: str) -> bool:
        return uid in self._by_uid

    def by_uid(self, uid: str | None) -> JobEntry | None:
        """The resource with this uid, None where it was not seen or is gone."""
        return self._by_uid.get(uid) if uid is not None else None

    def by_job_id(self, job_id: str) -> JobEntry | None:
        """The resource that runs this job, None where it was not seen or is gone."""
        entry = self._of_api.get(job_id)
        if entry is not None:
            return entry
        hand_made = self._by_uid.get(job_id)
        return hand_made if hand_made is not None and not hand_made.by_api else None

    def observe(self, body: dict[str, Any]) -> Sighting:
        """Takes a resource's present state; returns what is new. A cancel is never taken back."""
        seen = entry_of(body)
        known = self._by_uid.get(seen.uid)
        if known is None:
            if self._ttl_override is not None:
                _amend(seen, ttl_seconds=self._ttl_override)
            self._by_uid[seen.uid] = seen
            if seen.by_api:
                self._of_api[seen.job_id] = seen
            return Sighting(seen, is_new=True, asks_cancel=seen.cancel)
        asks_cancel = seen.cancel and not known.cancel
        _amend(
            known,
            phase=seen.phase,
            finished_at=seen.finished_at,
            version=seen.version,
            explained=seen.explained,
            cancel=known.cancel or seen.cancel,
        )
        return Sighting(known, is_new=False, asks_cancel=asks_cancel)

    def has_missed(self, body: dict[str, Any]) -> bool:
        """Whether a resource on the server is unknown here, or its cancel or its end is."""
        seen = entry_of(body)
        known = self._by_uid.get(seen.uid)
        # A listing may be older than the watch, but nobody takes a cancel or an end back.
        return known is None or seen.cancel > known.cancel or seen.ended > known.ended

    def remove(self, uid: str) -> JobEntry | None:
        """Forgets a resource that is gone, and returns what was known of it."""
        entry = self._by_uid.pop(uid, None)
        # One of the same name may have come before this one's end was told.
        if entry is not None and self._of_api.get(entry.job_id) is entry:
            del self._of_api[entry.job_id]
        return entry

    def entry_for(self, record: JobRecord) -> JobEntry:
        """The entry of a record's resource, made from the record where it was not seen yet."""
        known = self.by_uid(record.resource_uid)
        if known is not None:
            return known
        body = build_generation_job(record)
        body["metadata"]["uid"] = record.resource_uid or ""
        body["metadata"]["creationTimestamp"] = record.created_at.isoformat()
        return replace(entry_of(body), job_id=record.id, band=record.band)

    def set_attempt(self, entry: JobEntry, attempt: int) -> None:
        """Takes the number of the attempt last read from the record."""
        _amend(entry, attempt=attempt)

    def set_band(self, entry: JobEntry, band: int) -> None:
        """Takes the band of the workspace's plan."""
        _amend(entry, band=band)

    def set_verified(self, entry: JobEntry, *, verified: bool) -> None:
        """Says whether the job's end is known from its record."""
        _amend(entry, verified=verified)

    def set_explained(self, entry: JobEntry) -> None:
        """Marks that the status now says why the job waits."""
        _amend(entry, explained=True)

    def reopen(self, entry: JobEntry) -> None:
        """Takes back an end that the status has and the record has not."""
        _amend(entry, phase="Queued")


def _amend(entry: JobEntry, **changes: Any) -> None:
    # Frozen for everybody else: so types and the interpreter see to it that nobody else writes.
    for name, value in changes.items():
        object.__setattr__(entry, name, value)
