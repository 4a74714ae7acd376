"""Spans: what they may hold, whose children they are, and that nothing is sent unasked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from imagerift_core import telemetry
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    yield kept
    provider.shutdown()


def test_an_exception_leaves_its_type_and_never_its_text(finished: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), telemetry.span("work"):
        raise ValueError("secret http://s3/key?X-Amz-Signature=abc")
    (span,) = finished.get_finished_spans()
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert not span.status.is_ok and span.status.description is None
    assert span.events == ()


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def test_a_span_is_the_child_of_its_traceparent_or_of_the_one_around_it(
    finished: InMemorySpanExporter,
) -> None:
    with telemetry.span("outer", parent=CALLER), telemetry.span("inner"):
        carried = telemetry.current_traceparent()
    inner, outer = finished.get_finished_spans()
    assert parent_of(outer) == 0xB7AD6B7169203331
    assert outer.context and inner.context and parent_of(inner) == outer.context.span_id
    assert carried == f"{CALLER[:36]}{inner.context.span_id:016x}-01"


@pytest.mark.parametrize("given", ["", "junk", f"{CALLER}-more", "00-" + "0" * 32 + CALLER[35:]])
def test_what_is_no_trace_context_is_dropped_and_begins_a_trace_of_its_own(
    finished: InMemorySpanExporter, given: str
) -> None:
    assert telemetry.checked_traceparent(given) is None
    with telemetry.span("outer", parent=CALLER), telemetry.span("own", parent=given):
        pass
    own, outer = finished.get_finished_spans()
    assert own.parent is None
    assert own.context and outer.context and own.context.trace_id != outer.context.trace_id


def test_without_an_endpoint_the_callers_context_is_passed_on_and_nothing_is_recorded() -> None:
    with (
        telemetry.exported("test", endpoint=None),
        telemetry.span("work", parent=CALLER) as span,
    ):
        assert not span.is_recording()
        assert telemetry.current_traceparent() == CALLER
    assert telemetry.current_traceparent() is None
    assert telemetry.checked_traceparent(CALLER) == CALLER
