"""What the operator measures, for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from imagerift_core.jobs import JobRecord, fault_of
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from prometheus_client import CollectorRegistry, start_http_server

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_JOBS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# The library's own bounds are for milliseconds.
_VIEWS = [
    View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(bounds))
    for name, bounds in {
        "imagerift_job_wait": _SECONDS,
        "imagerift_attempt": _SECONDS,
        "imagerift_pool_load": _SECONDS,
        "imagerift_settlement_group_jobs": _JOBS,
    }.items()
]


class Metrics:
    """Counters and gauges of the hot path. Labels are statuses, modes and pools, never ids."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._ended = meter.create_counter(
            "imagerift_jobs_ended", description="Jobs brought to a terminal status."
        )
        self._retried = meter.create_counter(
            "imagerift_attempts_requeued", description="Attempts given up and queued again."
        )
        self._preempted = meter.create_counter(
            "imagerift_job_pods_preempted", description="Job pods taken away for others, by whom."
        )
        self._groups = meter.create_histogram(
            "imagerift_settlement_group_jobs", description="Jobs in one settling transaction."
        )
        self._writes = meter.create_counter(
            "imagerift_kubernetes_writes", description="Writes to GenerationJob resources."
        )
        self._units = meter.create_counter(
            "imagerift_units_charged", description="Units charged, one a delivered output."
        )
        self._wait = meter.create_histogram(
            "imagerift_job_wait", unit="s", description="From acceptance to first claim."
        )
        self._run = meter.create_histogram(
            "imagerift_attempt", unit="s", description="From claim to the model's answer."
        )
        self._load = meter.create_histogram(
            "imagerift_pool_load",
            unit="s",
            description="From a server's first answer until it has its models.",
        )

    def ended(self, record: JobRecord) -> None:
        of = {"status": record.status.value, "mode": record.spec.mode, "fault": fault_of(record)}
        self._ended.add(1, of)

    def charged(self, units: int, mode: str) -> None:
        if units:
            self._units.add(units, {"mode": mode})

    def requeued(self, *, failed: bool) -> None:
        self._retried.add(1, {"failed": str(failed).lower()})

    def preempted(self, by: str) -> None:
        self._preempted.add(1, {"by": by})

    def settled(self, jobs: int) -> None:
        self._groups.record(jobs)

    def kubernetes_write(self, verb: str) -> None:
        self._writes.add(1, {"verb": verb})

    def waited(self, seconds: float, band: int) -> None:
        self._wait.record(seconds, {"band": str(band)})

    def ran(self, seconds: float, pool: str) -> None:
        self._run.record(seconds, {"pool": pool})

    def loaded(self, pool: str, seconds: float) -> None:
        self._load.record(seconds, {"pool": pool})

    def watch_bands(
        self, name: str, description: str, read: Callable[[], dict[int, int]], *, bands: set[int]
    ) -> None:
        """Registers a gauge by queue band; `bands`, and those seen once, are always shown."""
        seen = set(bands)

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            depths = read()
            seen.update(depths)
            for band in sorted(seen):
                yield Observation(depths.get(band, 0), {"band": str(band)})

        self._meter.create_observable_gauge(name, callbacks=[observe], description=description)

    def watch_pools(
        self, name: str, description: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Registers a gauge by pool."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for pool, value in read().items():
                yield Observation(value, {"pool": pool})

        self._meter.create_observable_gauge(name, callbacks=[observe], description=description)

    def watch(self, name: str, description: str, read: Callable[[], float | None]) -> None:
        """Registers a gauge that is read when it is scraped, and not shown where it is None."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            value = read()
            if value is not None:
                yield Observation(value)

        self._meter.create_observable_gauge(name, callbacks=[observe], description=description)


@asynccontextmanager
async def serve_metrics(host: str, port: int) -> AsyncIterator[Meter]:
    """A meter whose figures GET /metrics on `host:port` shows."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry, scope_info_enabled=False)
    provider = MeterProvider(metric_readers=[reader], views=_VIEWS)
    server, thread = start_http_server(port, addr=host, registry=registry)
    try:
        yield provider.get_meter("imagerift.operator")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        provider.shutdown()
