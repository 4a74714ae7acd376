"""GenerationJobs as the API makes them: soon, if Kubernetes answers, and never in the way.

An accepted job is in MongoDB already. Where its resource cannot be created now, the operator's
sweep creates it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from imagerift_core import telemetry
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord
from imagerift_core.kube import Kube, KubeUnavailable
from imagerift_core.resources import build_generation_job

from imagerift_api.debounced_writer import DebouncedWriter
from imagerift_api.metrics import Metrics

CALL_SECONDS = 2.0
PAUSE_SECONDS = 5.0
_log = structlog.get_logger()


class JobResources:
    """Calls to Kubernetes behind a breaker: after a failure none is made for a few seconds."""

    def __init__(
        self,
        kube: Kube,
        resource_uids: DebouncedWriter[str],
        metrics: Metrics,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._resource_uids = resource_uids
        self._metrics = metrics
        self._monotonic = monotonic
        self._paused_until = 0.0

    async def create(self, record: JobRecord) -> None:
        """Creates the resource and has its uid noted, or leaves it to the sweep."""
        if self._paused():
            self._metrics.resource_not_created("skipped")
            return
        try:
            with telemetry.span("resource.create", kind=telemetry.SpanKind.CLIENT):
                created = await self._kube.create_job(build_generation_job(record))
        except KubeUnavailable:
            self._pause("create", record.id)
            self._metrics.resource_not_created("unavailable")
            return
        except Exception as error:  # noqa: BLE001 - the job is accepted, whatever this is
            _log.error("resource_refused", job=record.id, exc_info=error)
            self._metrics.resource_not_created("refused")
            return
        if created is not None:
            self._metrics.kubernetes_write("create")
            self._resource_uids.record(record.id, created["metadata"]["uid"])

    async def request_cancel(self, record: JobRecord) -> None:
        """Shows the cancel on the resource, so that the operator hears of it at once."""
        if self._paused():
            return
        try:
            await self._kube.request_cancel(record.resource_name)
        except KubeUnavailable:
            self._pause("cancel", record.id)

    async def delete(self, record: JobRecord) -> None:
        """Deletes the resource; one that is gone is no error.

        Raises `CapacityUnavailable` where Kubernetes does not answer.
        """
        # An API job's resource is named by the job; one that the record never saw is its own too.
        try:
            await self._kube.delete_job(record.resource_name, uid=record.resource_uid)
        except KubeUnavailable:
            raise CapacityUnavailable("Kubernetes does not answer.") from None

    def _paused(self) -> bool:
        return self._monotonic() < self._paused_until

    def _pause(self, call: str, job_id: str) -> None:
        self._paused_until = self._monotonic() + PAUSE_SECONDS
        _log.warning("kubernetes_unavailable", call=call, job=job_id, pause_seconds=PAUSE_SECONDS)
