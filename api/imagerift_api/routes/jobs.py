"""/api/v1/jobs: read one, list, cancel."""

from __future__ import annotations

from aiohttp import web

from imagerift_api import app_keys
from imagerift_api.job_object import JOBS_PATH
from imagerift_api.requests import parse_list_query, refuse_query
from imagerift_api.routes.answers import describe, job_answer, json_answer
from imagerift_api.routes.callers import admit_caller


async def get_job(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:read")
    refuse_query(request.query)
    reads = request.app[app_keys.CONTEXT].job_reads
    return job_answer(
        request, caller, await reads.get(caller.workspace, request.match_info["job_id"])
    )


async def list_jobs(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:read")
    query = parse_list_query(request.query)
    page = await request.app[app_keys.CONTEXT].job_reads.page(caller.workspace, query)
    return json_answer(
        {
            "data": [describe(request, view) for view in page.views],
            "nextCursor": page.next_cursor,
        }
    )


async def cancel_job(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:cancel")
    refuse_query(request.query)
    context = request.app[app_keys.CONTEXT]
    record = await context.cancellations.cancel(caller.workspace, request.match_info["job_id"])
    return job_answer(request, caller, await context.job_reads.view(record))


def add_routes(application: web.Application) -> None:
    application.router.add_get(JOBS_PATH, list_jobs)
    application.router.add_get(JOBS_PATH + "/{job_id}", get_job)
    application.router.add_post(JOBS_PATH + "/{job_id}/cancel", cancel_job)
