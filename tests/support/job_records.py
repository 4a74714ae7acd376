"""Job records and settlements for tests, with every field that a test does not care about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from imagerift_core import object_keys, quota
from imagerift_core.generation import GenerationSpec
from imagerift_core.ids import new_generation_id, new_job_id
from imagerift_core.jobs import JobError, JobRecord, Output, QuotaReservation, SourceImage
from imagerift_core.settlement_rules import Settlement

WORKSPACE = "ws_test"
ACCEPTED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def make_record(
    job_id: str | None = None,
    *,
    workspace: str = WORKSPACE,
    units: int = 1,
    limit: int = 1000,
    at: datetime = ACCEPTED_AT,
    scope: Literal["account", "team"] = "account",
    **fields: Any,
) -> JobRecord:
    """A queued record as the API would hand it to admission."""
    job_id = job_id or new_job_id()
    values: dict[str, Any] = {
        "_id": job_id,
        "workspace": workspace,
        "request_id": "req_test",
        "namespace": "imagerift",
        "resource_name": job_id,
        "spec": GenerationSpec(mode="style", prompt="a lighthouse", variations=units, seed=7),
        "source": SourceImage(
            key=object_keys.source_key(workspace, job_id),
            content_type="image/jpeg",
            size_bytes=1000,
            width=640,
            height=480,
            sha256="0" * 64,
        ),
        "quota": QuotaReservation(
            counter=quota.counter_id(workspace, quota.period_of(at)),
            scope=scope,
            limit=limit,
            units=units,
            remaining=limit,
            remaining_after_queue=limit,
        ),
        "created_at": at,
    }
    return JobRecord.model_validate(values | fields)


def make_output(record: JobRecord, index: int = 0) -> Output:
    return Output(
        index=index,
        generation_id=new_generation_id(),
        key=object_keys.output_key(record.workspace, record.id, record.attempt, index, "png"),
        seed=record.spec.seed_of(index),
        width=1024,
        height=768,
        content_type="image/png",
        size_bytes=12345,
        sha256="1" * 64,
        thumbnail_key=object_keys.thumbnail_key(record.workspace, record.id, record.attempt, index),
    )


def delivered(record: JobRecord, outputs: int | None = None) -> Settlement:
    """The end of the record's current attempt with `outputs` pictures, by default all."""
    count = record.quota.units if outputs is None else outputs
    return Settlement(
        job_id=record.id,
        attempt=record.attempt,
        owner=record.owner or "",
        outputs=[make_output(record, index) for index in range(count)],
    )


def broken(record: JobRecord) -> Settlement:
    """The end of the record's current attempt without a picture."""
    return Settlement(
        job_id=record.id,
        attempt=record.attempt,
        owner=record.owner or "",
        error=JobError(code="model_error", message="the model failed"),
    )
