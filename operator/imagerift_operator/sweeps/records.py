"""Resources whose records say something else than is done about them, or than they show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import structlog
from imagerift_core.clock import now
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


async def reconcile_idle(
    jobs: JobStore,
    memory: Memory,
    watch: JobWatch,
    outcomes: Outcomes,
    writer: StatusWriter,
    *,
    record_grace: timedelta,
) -> None:
    """Brings live resources that are neither queued nor in flight in step with their records.

    A record is committed before its resource is made, so after `record_grace` one that is
    missing stays missing.
    """
    async for entry, record in _with_records(jobs, memory.idle()):
        if record is not None:
            await outcomes.reconcile(entry)
        elif not entry.by_api:
            await watch.admit_and_queue(entry)
        elif now() - entry.created_at > record_grace:
            message = "No admitted job belongs to this resource."
            await writer.write_status(entry, refused_status("not_admitted", message, at=now()))


async def verify_ends(
    jobs: JobStore, index: JobIndex, writer: StatusWriter, outcomes: Outcomes
) -> None:
    """Checks ends that we did not write against the records, and takes false ones back."""
    ended = [entry for entry in index if entry.ended]
    late = now() - RESOURCE_GRACE
    for entry in ended:
        # A deletion, or the news of it, was lost.
        if entry.verified and entry.delete_at is not None and entry.delete_at < late:
            writer.delete_later(entry)
    unverified = [entry for entry in ended if not entry.verified]
    async for entry, record in _with_records(jobs, unverified):
        if record is None or record.status.terminal:
            index.set_verified(entry, verified=True)
            writer.delete_later(entry)
            continue
        if not record.status.known:
            continue
        log.warning("status_repaired", job=entry.job_id, phase=entry.phase)
        index.reopen(entry)
        await writer.write(entry, record)
        await outcomes.reconcile(entry)


async def _with_records(
    jobs: JobStore, entries: list[JobEntry]
) -> AsyncIterator[tuple[JobEntry, JobRecord | None]]:
    """Each resource with its record, None where there is none or it is another resource's.

    One whose record cannot be read is left as it is.
    """
    for start in range(0, len(entries), _RECORDS_AT_ONCE):
        batch = entries[start : start + _RECORDS_AT_ONCE]
        records = await jobs.get_many([entry.job_id for entry in batch])
        for entry in batch:
            record = records.get(entry.job_id)
            if isinstance(record, Unreadable):
                continue
            yield entry, record if record is not None and entry.matches(record) else None
