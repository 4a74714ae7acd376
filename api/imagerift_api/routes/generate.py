"""POST /api/v1/generate."""

from __future__ import annotations

from aiohttp import web

from imagerift_api import app_keys
from imagerift_api.body_reading import leave_continue_for_later, read_json
from imagerift_api.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.job_object import job_path
from imagerift_api.job_schema import JobObject
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.requests import GenerateBody, parse_generate_body, refuse_query
from imagerift_api.routes.answers import job_answer
from imagerift_api.routes.callers import admit_caller
from imagerift_api.services.drafts import RequestOrigin
from imagerift_api.services.job_reads import JobView
from imagerift_api.services.submissions import Submit
from imagerift_api.tracing import traceparent_of

# What checks of a body, of its source and of the plan may refuse.
SUBMIT_ERRORS = (
    "quota_exhausted",
    "export_not_permitted",
    "source_not_found",
    "unsupported_image",
    "image_unreadable",
    "image_too_large",
    "idempotency_in_progress",
    "idempotency_key_reused",
)


async def generate(request: web.Request) -> web.Response:
    context = request.app[app_keys.CONTEXT]
    caller = await admit_caller(request, "jobs:write")
    refuse_query(request.query)
    async with context.body_budget.hold(request):
        content = await read_json(request)
        key = await request_key(
            request.headers, workspace=caller.workspace, operation="generate", content=content
        )
        submit = Submit(caller, [parse_generate_body(content)], origin_of(request), key)
        accepted = await context.submissions.submit(submit)
    if accepted.replayed:
        view = await context.job_reads.get(caller.workspace, accepted.id)
    else:
        view = JobView(accepted.records[0])
    response = job_answer(request, caller, view, status=202)
    response.headers["Location"] = job_path(accepted.id)
    if accepted.replayed:
        response.headers[REPLAYED] = "true"
    return response


def origin_of(request: web.Request) -> RequestOrigin:
    """Where the jobs of this request come from."""
    return RequestOrigin(
        request_id=request[app_keys.REQUEST_ID],
        traceparent=traceparent_of(request.headers.get("traceparent")),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/generate",
        handler=generate,
        name="generate",
        tag="Jobs",
        summary="Submit an image-generation job",
        description="The 202 means that the job is stored and will reach a terminal status. Send "
        "exactly one of `imageBase64`, `imageKey` and `sourceGenerationId`.",
        scope="jobs:write",
        headers=IdempotencyHeaders,
        body=GenerateBody,
        body_example={
            "mode": "style",
            "imageBase64": "…",
            "prompt": "cinematic product photo on a clean studio background",
            "exportSize": "base",
            "outputAspect": "source",
        },
        replies={
            202: Reply(
                "The accepted job.",
                JobObject,
                headers={
                    "Location": "The job's address.",
                    "Retry-After": "Seconds to wait before the first poll.",
                    REPLAYED: "`true` where the job was accepted by an earlier request.",
                },
            )
        },
        errors=(*SUBMIT_ERRORS, "job_not_found"),
        expect_handler=leave_continue_for_later,
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
