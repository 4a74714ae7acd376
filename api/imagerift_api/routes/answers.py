"""How answers are worded: JSON by orjson, and a job with its advice on when to ask again."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from imagerift_api.job_object import job_object
from imagerift_api.job_schema import JobObject
from imagerift_api.openapi.calls import Call
from imagerift_api.rate_headers import poll_after_seconds
from imagerift_api.services.job_reads import JobView


def json_answer(content: Any, *, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(content), content_type="application/json", charset="utf-8"
    )


def job_answer(call: Call, view: JobView, *, status: int = 200) -> web.Response:
    response = json_answer(describe(call, view), status=status)
    # URLs in it are signed for whoever asked.
    response.headers["Cache-Control"] = "no-store"
    if not view.record.status.terminal:
        eta = view.place.eta_seconds if view.place else None
        pause = poll_after_seconds(call.caller.plan.requests_per_minute, eta)
        response.headers["Retry-After"] = str(pause)
    return response


def describe(call: Call, view: JobView) -> JobObject:
    return job_object(
        view.record,
        remaining_this_minute=call.rate_window.remaining,
        place=view.place,
        download_urls=view.download_urls,
        thumbnail_urls=view.thumbnail_urls,
        urls_expire_at=view.urls_expire_at,
    )
