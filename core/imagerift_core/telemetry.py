"""Traces. Spans leave a process only where an OTLP endpoint is set in its environment.

Spans are made by hand at the few places that matter, and never hold a text that came from
outside: libraries' own instrumentation would put signed URLs and exceptions' words into them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import INVALID_SPAN, ProxyTracer, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = [
    "Span",
    "SpanKind",
    "add_trace_id",
    "checked_traceparent",
    "current_traceparent",
    "exported",
    "mark_failed",
    "passed_span",
    "span",
]

Attributes = Mapping[str, str | int | float | bool]

_HEADER = "traceparent"
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("imagerift")


@contextmanager
def exported(service: str, *, endpoint: str | None) -> Iterator[None]:
    """Sends this process's spans by OTLP over HTTP, as the library's own variables say.

    Without an endpoint nothing is recorded; a caller's trace context is passed on all the same.
    """
    if not endpoint:
        yield
        return
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    started_at: datetime | None = None,
    attributes: Attributes | None = None,
) -> Iterator[Span]:
    """A span around a block: a child of the current one, or of the traceparent `parent`.

    An exception marks it as failed by its type alone; its text may quote anything.
    """
    if parent is None and not _is_recorded():
        # Nothing to record and no caller's trace to pass on: most requests, and polls above all.
        yield INVALID_SPAN
        return
    with _tracer.start_as_current_span(
        name,
        context=_context_of(parent) if parent is not None else None,
        kind=kind,
        start_time=_nanoseconds(started_at) if started_at is not None else None,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            mark_failed(current, type(error).__name__)
            raise


def passed_span(
    name: str, start: datetime, end: datetime, *, attributes: Attributes | None = None
) -> None:
    """Records a span of what is already over, under the current one."""
    done = _tracer.start_span(name, start_time=_nanoseconds(start), attributes=attributes)
    done.end(end_time=_nanoseconds(end))


def mark_failed(current: Span, kind: str) -> None:
    """Marks a span as failed; `kind` is a code or the name of an exception's type."""
    current.set_attribute("error.type", kind)
    current.set_status(Status(StatusCode.ERROR))


def current_traceparent() -> str | None:
    """The current span's context as a W3C header, None outside of every trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_HEADER)


def checked_traceparent(text: str | None) -> str | None:
    """A trace context that came from outside, None where it is not one."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, _context_of(text or ""))
    return carrier.get(_HEADER)


def _is_recorded() -> bool:
    """Whether spans are exported, or the caller's trace context has to be passed on."""
    standing_in = isinstance(_tracer, ProxyTracer)
    if not standing_in or isinstance(trace.get_tracer_provider(), TracerProvider):
        return True
    return trace.get_current_span().get_span_context().is_valid


def add_trace_id(_logger: Any, _method: str, event: Any) -> Any:
    """A processor of log lines that adds the id of the current trace, if there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
    return event


def _context_of(traceparent: str) -> Context:
    # An invalid one gives an empty context, hence a trace of its own.
    return _propagator.extract({_HEADER: traceparent}, context=Context())


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
