"""Tells of attempts that run as pods of their own: in statuses, Events and figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from imagerift_core.jobs import JobRecord
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable
from imagerift_core.mongo.jobs import JobStore

from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_pod_runs import BY_QUEUE, PodNews
from imagerift_operator.job_status import suspended_status
from imagerift_operator.metrics import Metrics
from imagerift_operator.refusals import AWAY
from imagerift_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)


class PodReports:
    """Who is told of the attempts that pods run."""

    def __init__(self, jobs: JobStore, writer: StatusWriter, metrics: Metrics) -> None:
        self.jobs = jobs
        self.writer = writer
        self.metrics = metrics

    def of(self, entry: JobEntry, record: JobRecord, began: Callable[[], None]) -> PodNews:
        """Of a claimed attempt; `began` is told each time that its pod may start."""
        return _News(self, entry, record, began)


class _News:
    """What happens to one attempt. Nobody depends on it: what a store refuses is logged."""

    def __init__(
        self, to: PodReports, entry: JobEntry, record: JobRecord, began: Callable[[], None]
    ) -> None:
        self._jobs, self._writer, self._metrics = to.jobs, to.writer, to.metrics
        self._entry = entry
        self._record = record
        self._began = began

    async def suspended(self) -> None:
        await self._show(suspended_status(self._record, preempted=False))

    async def started(self) -> None:
        self._began()
        try:
            await self._writer.show_running(self._entry, self._record)
        except (KubeRefused, KubeUnavailable) as error:
            self._not_shown(error)

    async def preempted(self, by: str) -> None:
        self._metrics.preempted(by)
        self._writer.events.job_preempted(self._entry, self._record, by)
        try:
            counted = await self._jobs.count_preemption(
                self._record.id, attempt=self._record.attempt, owner=self._record.owner or ""
            )
        except AWAY as error:
            log.warning("preemption_not_counted", job=self._record.id, error=type(error).__name__)
            counted = None
        self._record = counted or self._record
        if by == BY_QUEUE:
            await self._show(suspended_status(self._record, preempted=True))

    async def _show(self, status: dict[str, Any]) -> None:
        try:
            await self._writer.show_status(self._entry, status)
        except (KubeRefused, KubeUnavailable) as error:
            self._not_shown(error)

    def _not_shown(self, error: Exception) -> None:
        log.warning("job_pod_not_shown", job=self._record.id, error=type(error).__name__)
