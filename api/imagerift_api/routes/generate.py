"""POST /api/v1/generate."""

from __future__ import annotations

from aiohttp import web

from imagerift_api import app_keys
from imagerift_api.body_reading import leave_continue_for_later, read_json
from imagerift_api.job_object import job_path
from imagerift_api.requests import parse_generate_body, refuse_query
from imagerift_api.routes.answers import job_answer
from imagerift_api.routes.callers import admit_caller
from imagerift_api.services.job_reads import JobView
from imagerift_api.tracing import traceparent_of


async def generate(request: web.Request) -> web.Response:
    context = request.app[app_keys.CONTEXT]
    caller = await admit_caller(request, "jobs:write")
    refuse_query(request.query)
    async with context.body_budget.hold(request):
        body = parse_generate_body(await read_json(request))
        record = await context.submissions.submit(
            caller,
            body,
            request_id=request[app_keys.REQUEST_ID],
            traceparent=traceparent_of(request.headers.get("traceparent")),
        )
    response = job_answer(request, caller, JobView(record), status=202)
    response.headers["Location"] = job_path(record.id)
    return response


def add_routes(application: web.Application) -> None:
    application.router.add_post(
        "/api/v1/generate", generate, expect_handler=leave_continue_for_later
    )
