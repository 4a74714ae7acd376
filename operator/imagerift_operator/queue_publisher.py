"""Writes down each second what waits and runs: the API answers from it where a job stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from imagerift_core.clock import now
from imagerift_core.modes import Modes
from imagerift_core.mongo.scheduler_snapshot import (
    JobProgress,
    QueuePosition,
    SchedulerSnapshot,
    SnapshotStore,
)

from imagerift_operator.in_flight import RunningAttempt
from imagerift_operator.memory import Memory
from imagerift_operator.pools import Pools
from imagerift_operator.progress import job_progress
from imagerift_operator.served_modes import served_modes
from imagerift_operator.wait_estimates import Forecast, Pace, SlotGroup, forecast
from imagerift_operator.waiting_reasons import WaitingReasons

SNAPSHOT_POSITIONS = 1_000


class QueuePublisher:
    """The shard's queue as its scheduler, its pools and its running attempts have it."""

    def __init__(
        self,
        *,
        snapshots: SnapshotStore,
        memory: Memory,
        pools: Pools,
        pace: Pace,
        waiting_reasons: WaitingReasons,
        modes: Modes,
        namespace: str,
    ) -> None:
        self._snapshots = snapshots
        self._scheduler = memory.scheduler
        self._in_flight = memory.in_flight
        self._pools = pools
        self._pace = pace
        self._modes = modes
        self._namespace = namespace
        self._waiting_reasons = waiting_reasons

    async def publish(self) -> None:
        """Ages the queue and writes its snapshot. Raises `CapacityUnavailable`."""
        at = now()
        self._scheduler.promote(at)
        positions = {
            coming.entry.job_id: QueuePosition(
                position=coming.units_before + 1,
                eta_seconds=coming.wait_seconds,
                reason=self._pools.waiting_reason(
                    coming.entry.target,
                    at_limit=self._scheduler.is_at_limit(coming.entry.workspace),
                ),
            )
            for coming in islice(self._forecast(at), SNAPSHOT_POSITIONS)
        }
        self._waiting_reasons.look(positions, at)
        progress = dict(islice(self._progress(at), SNAPSHOT_POSITIONS))
        served = served_modes(self._pools, self._modes)
        snapshot = SchedulerSnapshot(
            _id=self._namespace, at=at, places=positions, modes=served, progress=progress
        )
        await self._snapshots.write(snapshot)

    def _progress(self, at: datetime) -> Iterator[tuple[str, JobProgress]]:
        for attempt in self._in_flight:
            if attempt.progress is not None and attempt.number is not None:
                yield (
                    attempt.entry.job_id,
                    job_progress(
                        attempt.progress,
                        attempt=attempt.number,
                        pictures=attempt.entry.units,
                        expected_seconds=self._seconds_left(attempt, at),
                    ),
                )

    def _forecast(self, at: datetime) -> Iterator[Forecast]:
        by_replica: defaultdict[int, list[float]] = defaultdict(list)
        by_workspace: defaultdict[str, list[float]] = defaultdict(list)
        for attempt in self._in_flight:
            left = self._seconds_left(attempt, at)
            by_replica[id(attempt.replica)].append(left)
            by_workspace[attempt.entry.workspace].append(left)
        slot_groups = [
            SlotGroup(choice.targets, by_replica[id(choice.replica)] + [0.0] * choice.replica.free)
            for choice in self._pools.serving()
        ]
        return forecast(
            self._scheduler.order(),
            slot_groups,
            self._pace,
            limits=self._scheduler.limits,
            running=by_workspace,
        )

    def _seconds_left(self, attempt: RunningAttempt, at: datetime) -> float:
        ran = (at - attempt.since).total_seconds()
        return max(0.0, self._pace.expected_seconds(attempt.entry) - ran)
