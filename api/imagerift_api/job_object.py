"""The job as clients see it: one shape in every answer, made from the record alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from imagerift_core.clock import rfc3339
from imagerift_core.jobs import JobRecord, Output
from imagerift_core.mongo.scheduler_snapshot import QueuePlace

from imagerift_api.job_schema import (
    AnalysisObject,
    JobErrorObject,
    JobObject,
    OutputObject,
    PeopleObject,
    QueueObject,
    QuotaObject,
    StagesObject,
)

JOBS_PATH = "/api/v1/jobs"


def job_path(job_id: str) -> str:
    return f"{JOBS_PATH}/{job_id}"


def job_object(
    record: JobRecord,
    *,
    remaining_this_minute: int,
    place: QueuePlace | None = None,
    download_urls: Mapping[int, str] | None = None,
    thumbnail_urls: Mapping[int, str] | None = None,
    urls_expire_at: datetime | None = None,
) -> JobObject:
    """The job object of `record`.

    `place` is where it waits, None where that is not known. `download_urls` and
    `thumbnail_urls` are signed URLs by output index; without them (lists) every URL is null.
    """
    urls, thumbnails = download_urls or {}, thumbnail_urls or {}
    path = job_path(record.id)
    outputs = [
        _output(output, urls.get(output.index), thumbnails.get(output.index), urls_expire_at)
        for output in record.outputs
    ]
    spec = record.spec
    return {
        "jobId": record.id,
        "status": record.status.value,
        "statusUrl": path,
        "requestId": record.request_id,
        "quota": _quota(record),
        "rateLimit": {"remainingThisMinute": remaining_this_minute},
        "batchId": record.batch_id,
        "mode": spec.mode,
        "preset": spec.preset or record.preset_used,
        "prompt": spec.prompt,
        "exportSize": spec.export_size,
        "outputAspect": spec.output_aspect,
        "outputFormat": spec.output_format,
        "variations": spec.variations,
        "seed": spec.seed,
        "source": {"imageKey": record.source.key},
        "models": [{"name": model.name, "version": model.version} for model in record.models],
        "analysis": _analysis(record),
        "createdAt": rfc3339(record.created_at),
        "startedAt": _time(record.started_at),
        "completedAt": _time(record.completed_at),
        "deadlineAt": _time(record.deadline_at),
        "expiresAt": _time(record.expires_at),
        "queue": _queue(place),
        "outputs": outputs,
        "omitted": [{"index": item.index, "code": item.code} for item in record.omitted],
        "downloadUrl": outputs[0]["downloadUrl"] if outputs else None,
        "thumbnailUrl": outputs[0]["thumbnailUrl"] if outputs else None,
        "error": _error(record),
        "metrics": {
            "queueMs": _milliseconds(record.created_at, record.started_at),
            "executionMs": _milliseconds(record.started_at, record.completed_at),
            "totalMs": _milliseconds(record.created_at, record.completed_at),
            "stages": _stages(record.stage_ms),
        },
        "metadata": record.metadata,
        "cancelReason": record.cancel_reason,
        "urls": {"self": path, "cancel": f"{path}/cancel", "events": f"{path}/events"},
    }


def _queue(place: QueuePlace | None) -> QueueObject:
    if place is None:
        return {"position": None, "etaSeconds": None, "reason": None}
    return {"position": place.position, "etaSeconds": place.eta_seconds, "reason": place.reason}


def _analysis(record: JobRecord) -> AnalysisObject | None:
    told = record.analysis
    if told is None:
        return None
    people: PeopleObject | None = None
    if told.people is not None:
        box = told.people.box
        people = {
            "found": told.people.found,
            "shown": told.people.shown,
            "box": None if box is None else list(box),
        }
    return {
        "preset": record.preset_used,
        "presetReason": told.preset_reason,
        "presetWords": told.preset_words,
        "refusedPresets": told.refused_presets,
        "framing": told.framing,
        "people": people,
    }


def _stages(spent: Mapping[str, float]) -> StagesObject:
    def stage(name: str) -> int | None:
        return round(spent[name]) if name in spent else None

    return {
        "fetchMs": stage("fetchMs"),
        "decodeMs": stage("decodeMs"),
        "modelMs": stage("modelMs"),
        "encodeMs": stage("encodeMs"),
        "uploadMs": stage("uploadMs"),
    }


def _error(record: JobRecord) -> JobErrorObject | None:
    error = record.error
    if error is None:
        return None
    return {"code": error.code, "message": error.message, "retryable": error.retryable}


def _quota(record: JobRecord) -> QuotaObject:
    hold = record.quota
    charged = hold.state == "charged"
    return {
        "source": "plan",
        "scope": hold.scope,
        "remaining": hold.remaining,
        "charged": charged,
        "remainingAfterQueue": hold.remaining_after_queue,
        "chargedOnSuccess": True,
        "reserved": hold.units if hold.state == "reserved" else 0,
        "units": hold.charged_units if charged else hold.units,
    }


def _output(
    output: Output, url: str | None, thumbnail_url: str | None, expires_at: datetime | None
) -> OutputObject:
    return {
        "index": output.index,
        "generationId": output.generation_id,
        "seed": output.seed,
        "width": output.width,
        "height": output.height,
        "contentType": output.content_type,
        "sizeBytes": output.size_bytes,
        "sha256": output.sha256,
        "downloadUrl": url,
        "downloadUrlExpiresAt": _time(expires_at) if url else None,
        "thumbnailUrl": thumbnail_url,
    }


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def _milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None or end < start:
        return None
    return (end - start) // timedelta(milliseconds=1)
