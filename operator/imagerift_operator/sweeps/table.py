"""Which sweeps there are, and how often each begins."""

from __future__ import annotations

from datetime import timedelta

from imagerift_operator.dependencies import Dependencies
from imagerift_operator.job_watch import JobWatch
from imagerift_operator.outcomes import Outcomes
from imagerift_operator.pools import Pools
from imagerift_operator.queue_publisher import QueuePublisher
from imagerift_operator.status_writer import StatusWriter
from imagerift_operator.sweeps.attempts import (
    end_abandoned_transactions,
    fail_overdue,
    recover_attempts,
)
from imagerift_operator.sweeps.records import reconcile_idle, verify_ends
from imagerift_operator.sweeps.resources import (
    COMPARING_SHARE,
    compare_with_server,
    create_missing_resources,
)
from imagerift_operator.sweeps.schedule import Sweep, every, isolating
from imagerift_operator.sweeps.storage import (
    delete_expired_jobs,
    delete_expired_uploads,
    delete_orphaned_bytes,
)
from imagerift_operator.waiting_reasons import WaitingReasons


def sweeps_of(
    given: Dependencies,
    *,
    watch: JobWatch,
    outcomes: Outcomes,
    pools: Pools,
    writer: StatusWriter,
    queue: QueuePublisher,
    reasons: WaitingReasons,
) -> list[Sweep]:
    """The sweeps of a shard, which the settings give their periods and their patience."""
    stores, store, kube = given.stores, given.store, given.kube
    jobs = stores.jobs
    memory, metrics, leadership = given.memory, given.metrics, given.leadership
    shard = {"namespace": given.settings.namespace}
    record_grace = timedelta(seconds=given.settings.record_grace_seconds)
    bytes_grace = timedelta(seconds=given.settings.orphan_grace_seconds)
    compare_period = given.settings.compare_seconds
    bytes_period = bytes_grace.total_seconds() / 12
    index = memory.index
    of = given.isolations
    return [
        every(1, queue.publish),
        isolating(of, 2, reasons.tell),
        every(1, end_abandoned_transactions, stores.abandoned),
        isolating(
            of, 2, recover_attempts, jobs, memory, outcomes, pools, leadership=leadership, **shard
        ),
        isolating(of, 2, fail_overdue, jobs, memory, writer, metrics, **shard),
        isolating(of, 2, verify_ends, jobs, index, writer, outcomes),
        isolating(of, 5, create_missing_resources, jobs, kube, index, metrics, **shard),
        isolating(
            of,
            10,
            reconcile_idle,
            jobs,
            memory,
            watch,
            outcomes,
            writer=writer,
            record_grace=record_grace,
        ),
        isolating(of, 60, delete_expired_jobs, jobs, store, kube, **shard),
        isolating(of, 60, delete_expired_uploads, stores.uploads, store, **shard),
        isolating(
            of, bytes_period, delete_orphaned_bytes, jobs, stores.uploads, store, grace=bytes_grace
        ),
        isolating(
            of, compare_period, compare_with_server, jobs, kube, memory, watch, **shard
        ).with_share(COMPARING_SHARE),
    ]
