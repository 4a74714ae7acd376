"""Metrics of the API process.

Label values come from closed sets (route templates, known methods, outcome words), so that no
client can make new time series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from aiohttp import hdrs, web
from imagerift_core import clock
from imagerift_core.clock_watch import ClockWatch
from imagerift_core.loops import Loops
from imagerift_core.mongo.deliveries import Backlog
from imagerift_core.refused_writes import show_refused_writes
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Histogram

_METHODS = frozenset(
    {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_POST, hdrs.METH_DELETE, hdrs.METH_OPTIONS}
)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
UNKNOWN_ROUTE = "unknown"


class Metrics:
    """The instruments. `registry` is what a scrape reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._provider = MeterProvider(
            metric_readers=[
                PrometheusMetricReader(registry=self.registry, scope_info_enabled=False)
            ],
            resource=Resource.create({"service.name": "imagerift-api"}),
            shutdown_on_exit=False,
        )
        self._meter = meter = self._provider.get_meter("imagerift_api")
        # Counted here and read at a scrape, which is cheaper than an instrument's call a request.
        self._answered: Counter[tuple[str, str, int]] = Counter()
        meter.create_observable_counter(
            "imagerift_api_requests", callbacks=[self._requests], description="Requests answered."
        )
        # The registry's own histogram, for the same reason.
        self._duration = Histogram(
            "imagerift_api_request_duration_seconds",
            "Seconds until the answer.",
            ["route", "method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._admissions = meter.create_counter(
            "imagerift_api_admissions", description="Submits that reached admission, by outcome."
        )
        self._resources = meter.create_counter(
            "imagerift_api_resource_creations_failed",
            description="Accepted jobs whose resource is left to the operator's sweep.",
        )
        self._writes = meter.create_counter(
            "imagerift_api_kubernetes_writes", description="Writes to GenerationJob resources."
        )

        show_refused_writes(meter)
        self._webhook_tries = meter.create_counter(
            "imagerift_api_webhook_tries", description="Tries to deliver a webhook, by outcome."
        )
        self._webhooks_put_off = meter.create_counter(
            "imagerift_api_webhook_deliveries_put_off",
            description="Deliveries that wait since their host does not answer.",
        )
        self._backlog: Backlog | None = None
        meter.create_observable_gauge(
            "imagerift_api_webhook_backlog",
            callbacks=[self._deliveries],
            description="Deliveries of all workspaces neither delivered nor given up, by state.",
        )
        meter.create_observable_gauge(
            "imagerift_api_webhook_oldest_due",
            unit="s",
            callbacks=[self._oldest_due],
            description="For how long the delivery that is due the longest has been due.",
        )

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"
        self._answered[route, known, status] += 1
        self._duration.labels(route, known).observe(seconds)

    def _requests(self, _options: CallbackOptions) -> Iterable[Observation]:
        # A copy: scrapes may come from another thread.
        for (route, method, status), count in list(self._answered.items()):
            yield Observation(count, {"route": route, "method": method, "status": status})

    def admission(self, outcome: str) -> None:
        """`outcome` is accepted, quota_exhausted, queue_full or failed."""
        self._admissions.add(1, {"outcome": outcome})

    def resource_not_created(self, reason: str) -> None:
        """`reason` is unavailable, refused or skipped."""
        self._resources.add(1, {"reason": reason})

    def kubernetes_write(self, verb: str) -> None:
        self._writes.add(1, {"verb": verb})

    def show(self, *parts: ClockWatch | Loops) -> None:
        """Shows the figures of clocks and loops."""
        for part in parts:
            part.show(self._meter)

    def webhook_tried(self, outcome: str) -> None:
        """`outcome` is delivered, rejected (another status) or the try's error."""
        self._webhook_tries.add(1, {"outcome": outcome})

    def webhooks_put_off(self, count: int) -> None:
        self._webhooks_put_off.add(count)

    def webhook_backlog(self, backlog: Backlog | None) -> None:
        """What the outbox was found to hold; None: not known any more, so nothing is shown."""
        self._backlog = backlog

    def _deliveries(self, _options: CallbackOptions) -> Iterable[Observation]:
        if (backlog := self._backlog) is not None:
            yield Observation(backlog.due, {"state": "due"})
            yield Observation(backlog.trying, {"state": "trying"})
            yield Observation(backlog.later, {"state": "later"})

    def _oldest_due(self, _options: CallbackOptions) -> Iterable[Observation]:
        if (backlog := self._backlog) is not None:
            since = backlog.due_since
            yield Observation(0 if since is None else (clock.now() - since).total_seconds())

    def close(self) -> None:
        self._provider.shutdown()


METRICS = web.AppKey("metrics", Metrics)
