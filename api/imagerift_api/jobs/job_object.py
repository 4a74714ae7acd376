"""The job as clients see it: one shape in every answer, made from the record alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from imagerift_core.generation import GenerationSpec
from imagerift_core.jobs import JobRecord, Output
from imagerift_core.mongo.scheduler_snapshot import JobProgress, QueuePosition

from imagerift_api.jobs.analysis_schemas import (
    AnalysisObject,
    PeopleObject,
    PromptReadObject,
    SubjectObject,
)
from imagerift_api.jobs.output_schemas import (
    OutputObject,
    PartialOutputObject,
    RequestedOutputObject,
)
from imagerift_api.jobs.progress_schemas import ProgressObject
from imagerift_api.jobs.schemas import (
    CutoutObject,
    JobErrorObject,
    JobObject,
    MetricsObject,
    ModelObject,
    OmittedObject,
    QueueObject,
    QuotaObject,
    RateLimitObject,
    SourceObject,
    StagesObject,
    UrlsObject,
)

JOBS_PATH = "/api/v1/jobs"


def job_path(job_id: str) -> str:
    return f"{JOBS_PATH}/{job_id}"


def job_object(
    record: JobRecord,
    *,
    remaining_this_minute: int,
    queue_position: QueuePosition | None = None,
    progress: JobProgress | None = None,
    download_urls: Mapping[int, str] | None = None,
    thumbnail_urls: Mapping[int, str] | None = None,
    urls_expire_at: datetime | None = None,
) -> JobObject:
    """The job object of `record`.

    `queue_position` is where it waits and `progress` how far it is, None where that is not known.
    `download_urls` and `thumbnail_urls` are signed URLs by output index; without them (lists)
    every URL is null, and no picture of a job that runs is shown.
    """
    urls, thumbnails = download_urls or {}, thumbnail_urls or {}
    path = job_path(record.id)
    outputs = [
        _output(
            record.spec,
            output,
            urls.get(output.index),
            thumbnails.get(output.index),
            urls_expire_at,
        )
        for output in record.outputs
    ]
    spec = record.spec
    first = spec.shapes[0]
    return JobObject(
        job_id=record.id,
        status=record.status.value,
        status_url=path,
        request_id=record.request_id,
        quota=_quota(record),
        rate_limit=RateLimitObject(remaining_this_minute=remaining_this_minute),
        batch_id=record.batch_id,
        mode=spec.mode,
        preset=spec.preset or record.preset_used,
        prompt=spec.prompt,
        export_size=first.size,
        output_aspect=first.aspect,
        output_format=first.format,
        requested_outputs=spec.outputs
        and [RequestedOutputObject(**dict(each)) for each in spec.outputs],
        on_unclear_subject=spec.on_unclear_subject,
        cutout=spec.cutout and CutoutObject(**spec.cutout.model_dump()),
        negative_prompt=spec.negative_prompt,
        keep_subject=spec.keep_subject is not False,
        variations=spec.variations,
        seed=spec.seed,
        source=SourceObject(image_key=record.source.key),
        mask=record.mask and SourceObject(image_key=record.mask.key),
        references=[SourceObject(image_key=each.key) for each in record.references],
        models=[ModelObject(name=model.name, version=model.version) for model in record.models],
        analysis=_analysis(record),
        created_at=record.created_at,
        started_at=record.started_at,
        completed_at=record.completed_at,
        deadline_at=record.deadline_at,
        expires_at=record.expires_at,
        queue=_queue(queue_position),
        progress=progress_object(record, progress),
        partial_outputs=partial_outputs(record, thumbnails, urls_expire_at),
        outputs=outputs,
        omitted=[OmittedObject(index=item.index, code=item.code) for item in record.omitted],
        download_url=outputs[0].download_url if outputs else None,
        thumbnail_url=outputs[0].thumbnail_url if outputs else None,
        error=_error(record),
        metrics=MetricsObject(
            queue_ms=_milliseconds(record.created_at, record.started_at),
            execution_ms=_milliseconds(record.started_at, record.completed_at),
            total_ms=_milliseconds(record.created_at, record.completed_at),
            stages=_stages(record.stage_ms),
        ),
        metadata=record.metadata,
        cancel_reason=record.cancel_reason,
        urls=UrlsObject(itself=path, cancel=f"{path}/cancel", events=f"{path}/events"),
    )


def _queue(queue_position: QueuePosition | None) -> QueueObject:
    if queue_position is None:
        return QueueObject(position=None, eta_seconds=None, reason=None)
    return QueueObject(
        position=queue_position.position,
        eta_seconds=queue_position.eta_seconds,
        reason=queue_position.reason,
    )


def progress_object(record: JobRecord, progress: JobProgress | None) -> ProgressObject | None:
    """How far a job is that runs; None where that is not known."""
    if progress is None:
        return None
    return ProgressObject(
        stage=progress.stage,
        step=progress.step,
        steps=progress.steps,
        variation=progress.variation,
        variations=record.spec.variations,
        share=progress.share,
        eta_seconds=progress.eta_seconds,
    )


def _analysis(record: JobRecord) -> AnalysisObject | None:
    told = record.analysis
    if told is None:
        return None
    people: PeopleObject | None = None
    if told.people is not None:
        box = told.people.box
        people = PeopleObject(
            found=told.people.found,
            shown=told.people.shown,
            box=None if box is None else list(box),
        )
    return AnalysisObject(
        preset=record.preset_used,
        preset_reason=told.preset_reason,
        preset_words=told.preset_words,
        refused_presets=told.refused_presets,
        framing=told.framing,
        people=people,
        prompt_read=told.prompt_read and PromptReadObject(**told.prompt_read.model_dump()),
        subject=told.subject and SubjectObject(**told.subject.model_dump()),
    )


def _stages(spent: Mapping[str, float]) -> StagesObject:
    def stage(name: str) -> int | None:
        return round(spent[name]) if name in spent else None

    return StagesObject(
        fetch_ms=stage("fetchMs"),
        decode_ms=stage("decodeMs"),
        model_ms=stage("modelMs"),
        encode_ms=stage("encodeMs"),
        upload_ms=stage("uploadMs"),
    )


def _error(record: JobRecord) -> JobErrorObject | None:
    error = record.error
    if error is None:
        return None
    return JobErrorObject(code=error.code, message=error.message, retryable=error.retryable)


def _quota(record: JobRecord) -> QuotaObject:
    quota = record.quota
    charged = quota.state == "charged"
    return QuotaObject(
        source="plan",
        scope=quota.scope,
        remaining=quota.remaining,
        charged=charged,
        remaining_after_queue=quota.remaining_after_queue,
        charged_on_success=True,
        reserved=quota.units if quota.state == "reserved" else 0,
        units=quota.charged_units if charged else quota.units,
    )


def partial_outputs(
    record: JobRecord, thumbnail_urls: Mapping[int, str], expire_at: datetime | None
) -> list[PartialOutputObject]:
    """The finished pictures of a job that runs, of which these are signed URLs by their index."""
    if record.status.terminal or expire_at is None:
        return []
    return [
        PartialOutputObject(
            **_picture(record.spec, index),
            seed=record.spec.seed_of(index),
            thumbnail_url=url,
            thumbnail_url_expires_at=expire_at,
        )
        for index, url in sorted(thumbnail_urls.items())
    ]


def _picture(spec: GenerationSpec, index: int) -> dict[str, Any]:
    """Which picture of the job one is: its variation, and its shape."""
    shape = spec.shape_of(index)
    return {
        "index": index,
        "variation": spec.variation_of(index),
        "output": index % len(spec.shapes),
        "aspect": shape.aspect,
        "size": shape.size,
        "format": shape.format,
    }


def _output(
    spec: GenerationSpec,
    output: Output,
    url: str | None,
    thumbnail_url: str | None,
    expires_at: datetime | None,
) -> OutputObject:
    return OutputObject(
        **_picture(spec, output.index),
        generation_id=output.generation_id,
        seed=output.seed,
        width=output.width,
        height=output.height,
        content_type=output.content_type,
        size_bytes=output.size_bytes,
        sha256=output.sha256,
        download_url=url,
        download_url_expires_at=expires_at if url else None,
        thumbnail_url=thumbnail_url,
    )


def _milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None or end < start:
        return None
    return (end - start) // timedelta(milliseconds=1)
