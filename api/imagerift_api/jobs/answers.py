"""How jobs are told: with signed URLs for whoever asked, and advice on when to ask again."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs

from imagerift_api.http.answers import Answer
from imagerift_api.http.calls import Call
from imagerift_api.http.rate_headers import poll_after_seconds
from imagerift_api.jobs.job_object import job_object, partial_outputs, progress_object
from imagerift_api.jobs.output_schemas import PartialOutputObject
from imagerift_api.jobs.progress_schemas import ProgressObject
from imagerift_api.jobs.schemas import JobObject
from imagerift_api.jobs.service import JobView


def job_answer(
    call: Call,
    view: JobView,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The job; until it has ended, `Retry-After` says how long to wait for the next poll."""
    shown = dict(headers or {})
    if not view.record.status.terminal:
        eta = view.queue_position.eta_seconds if view.queue_position else None
        pause = poll_after_seconds(call.caller.plan.requests_per_minute, eta)
        shown[hdrs.RETRY_AFTER] = str(pause)
    return Answer(describe(call, view), status, shown)


def progress_of(view: JobView) -> ProgressObject | None:
    """How far the job is; None where that is not known."""
    return progress_object(view.record, view.progress)


def finished_of(view: JobView) -> list[PartialOutputObject]:
    """The pictures that are finished while the job runs."""
    return partial_outputs(view.record, view.thumbnail_urls, view.urls_expire_at)


def describe(call: Call, view: JobView) -> JobObject:
    return job_object(
        view.record,
        remaining_this_minute=call.rate_window.remaining,
        queue_position=view.queue_position,
        progress=view.progress,
        download_urls=view.download_urls,
        thumbnail_urls=view.thumbnail_urls,
        urls_expire_at=view.urls_expire_at,
    )
