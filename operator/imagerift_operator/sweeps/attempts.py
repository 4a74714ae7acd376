"""Records of jobs that run, or should have: against the attempts that this process runs."""

from __future__ import annotations

import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.abandoned import AbandonedTransactions
from imagerift_core.mongo.jobs import JobStore

from imagerift_operator.attempt_codec import attempt_id
from imagerift_operator.leadership import Leadership
from imagerift_operator.memory import Memory
from imagerift_operator.metrics import Metrics
from imagerift_operator.outcomes import Outcomes
from imagerift_operator.pools import Pools
from imagerift_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)


async def end_abandoned_transactions(abandoned: AbandonedTransactions) -> None:
    """Ends transactions of processes that died or stand still, for which others wait."""
    ended = await abandoned.end()
    if ended:
        log.info("abandoned_transactions_ended", transactions=ended)


async def recover_attempts(
    isolated: Isolation,
    jobs: JobStore,
    memory: Memory,
    outcomes: Outcomes,
    pools: Pools,
    *,
    leadership: Leadership,
    namespace: str,
) -> None:
    """Ends attempts that no task of ours is running, and passes cancels on to the others."""

    async def recover(record: JobRecord) -> None:
        if record.id in memory.in_flight:
            if record.cancel_requested:
                await memory.in_flight.cancel(record.id)
        elif leadership.leading and outcomes.may_take_over(record):
            # The old call may still occupy a slot, and which replica has it is not known.
            await pools.cancel_everywhere(
                record.pool,
                attempt_id(record.id, record.attempt),
                for_good=record.cancel_requested,
            )
            await outcomes.take_over(memory.index.entry_for(record), record)

    processing = await jobs.processing(namespace=namespace)
    await isolated.each(processing, recover, id_of=lambda record: record.id)


async def fail_overdue(
    isolated: Isolation,
    jobs: JobStore,
    memory: Memory,
    writer: StatusWriter,
    metrics: Metrics,
    *,
    namespace: str,
) -> None:
    """Fails queued jobs whose deadline passed before a slot came free."""
    at = now()

    async def fail(record: JobRecord) -> None:
        failed = await jobs.fail_overdue(record.id, at=at)
        if failed is None:
            return
        memory.scheduler.remove(record.id)
        metrics.ended(failed)
        entry = memory.index.by_uid(failed.resource_uid)
        if entry is not None:
            await writer.try_write(entry, failed)

    overdue = await jobs.overdue(namespace=namespace, at=at)
    await isolated.each(overdue, fail, id_of=lambda record: record.id)
