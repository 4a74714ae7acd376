"""The spans of an attempt: ids, codes and times, never a word of the job or of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from imagerift_core import telemetry
from imagerift_core.jobs import JobRecord
from imagerift_core.model_documents import ModelAnswer
from opentelemetry import trace

from imagerift_operator.attempt_codec import job_error

# Names of stages are the model's own words.
_STAGE = re.compile(r"[a-zA-Z]{1,32}Ms")


@contextmanager
def attempt_span(record: JobRecord, began: datetime) -> Iterator[telemetry.Span]:
    """The attempt in the trace of the request that the job came with."""
    with telemetry.span(
        "attempt",
        kind=telemetry.SpanKind.CONSUMER,
        # A resource made by hand may have none: a trace of its own then.
        parent=record.traceparent or "",
        started_at=began,
        attributes={
            "imagerift.job": record.id,
            "imagerift.attempt": record.attempt,
            "imagerift.mode": record.spec.mode,
            "imagerift.pool": record.pool or "",
            "imagerift.workspace": record.workspace,
        },
    ) as span:
        if record.attempt == 1 and span.is_recording():
            telemetry.passed_span("wait", record.created_at, began)
        yield span


def record_answer(answer: ModelAnswer) -> None:
    """Sets what came back from the model as attributes of the current span."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    span.set_attribute("imagerift.outputs", len(answer.outputs))
    for stage, milliseconds in answer.metrics.items():
        if _STAGE.fullmatch(stage):
            span.set_attribute(f"imagerift.stage.{stage}", milliseconds)
    if answer.error is not None and not answer.outputs:
        telemetry.mark_failed(span, job_error(answer.error).code)
