"""Resources whose records say something else than is done about them, or than they show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.stored import Unreadable

from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.job_status import refused_status
from imagerift_operator.job_watch import JobWatch
from imagerift_operator.memory import Memory
from imagerift_operator.outcomes import Outcomes
from imagerift_operator.status_writer import StatusWriter
from imagerift_operator.sweeps.schedule import RESOURCE_GRACE

log = structlog.get_logger(__name__)

_RECORDS_AT_ONCE = 500

_Found = tuple[JobEntry, JobRecord | None]


async def reconcile_idle(
    isolated: Isolation,
    jobs: JobStore,
    memory: Memory,
    watch: JobWatch,
    outcomes: Outcomes,
    *,
    writer: StatusWriter,
    record_grace: timedelta,
) -> None:
    """Brings live resources that are neither queued nor in flight in step with their records.

    A record is committed before its resource is made, so after `record_grace` one that is
    missing stays missing.
    """

    async def reconcile(found: _Found) -> None:
        entry, record = found
        if record is not None:
            await outcomes.reconcile(entry)
        elif not entry.by_api:
            await watch.admit_and_queue(entry)
        elif now() - entry.created_at > record_grace:
            message = "No admitted job belongs to this resource."
            await writer.try_status(entry, refused_status("not_admitted", message, at=now()))

    async for found in _with_records(isolated, jobs, memory.idle()):
        await isolated.each(found, reconcile, id_of=_id_of)


async def verify_ends(
    isolated: Isolation,
    jobs: JobStore,
    index: JobIndex,
    writer: StatusWriter,
    outcomes: Outcomes,
) -> None:
    """Checks ends that we did not write against the records, and takes false ones back."""
    ended = [entry for entry in index if entry.ended]
    late = now() - RESOURCE_GRACE
    for entry in ended:
        # A deletion, or the news of it, was lost.
        if entry.verified and entry.delete_at is not None and entry.delete_at < late:
            writer.delete_later(entry)

    async def verify(found: _Found) -> None:
        entry, record = found
        if record is None or record.status.terminal:
            index.set_verified(entry, verified=True)
            writer.delete_later(entry)
            return
        if not record.status.known:
            return
        log.warning("status_repaired", job=entry.job_id, phase=entry.phase)
        index.reopen(entry)
        try:
            await writer.try_write(entry, record)
        finally:
            await outcomes.reconcile(entry)

    unverified = [entry for entry in ended if not entry.verified]
    async for found in _with_records(isolated, jobs, unverified):
        await isolated.each(found, verify, id_of=_id_of)


async def _with_records(
    isolated: Isolation, jobs: JobStore, entries: list[JobEntry]
) -> AsyncIterator[list[_Found]]:
    """Each resource with its record, None where there is none or it is another resource's.

    One whose record cannot be read is left as it is, and set aside.
    """

    async def read(batch: list[JobEntry]) -> list[_Found]:
        records = await jobs.get_many([entry.job_id for entry in batch])
        found: list[_Found] = []
        for entry in batch:
            record = records.get(entry.job_id)
            if isinstance(record, Unreadable):
                isolated.failed(entry.job_id, record)
            else:
                belongs = record is not None and entry.matches(record)
                found.append((entry, record if belongs else None))
        return found

    for start in range(0, len(entries), _RECORDS_AT_ONCE):
        batch = entries[start : start + _RECORDS_AT_ONCE]
        for part in await isolated.together(batch, read, id_of=lambda entry: entry.job_id):
            yield part


def _id_of(found: _Found) -> str:
    return found[0].job_id
