"""/api/v1/batches: make one, read its progress, cancel it."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from imagerift_core.clock import rfc3339
from imagerift_core.ids import new_batch_id
from pydantic import Field
from typing_extensions import TypedDict

from imagerift_api import app_keys
from imagerift_api.batch_requests import BatchBody, BatchPath, parse_batch_body
from imagerift_api.body_reading import read_json
from imagerift_api.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.job_object import JOBS_PATH
from imagerift_api.job_schema import RateLimitObject
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, Uuid, closed
from imagerift_api.requests import refuse_query
from imagerift_api.routes.answers import json_answer
from imagerift_api.routes.callers import admit_caller, rate_window
from imagerift_api.routes.generate import SUBMIT_ERRORS, origin_of
from imagerift_api.services.batches import BatchView
from imagerift_api.services.submissions import Submit

BATCHES_PATH = "/api/v1/batches"


@closed
class BatchProgress(TypedDict):
    """How many of the jobs have each status."""

    queued: int
    processing: int
    succeeded: int
    failed: int
    canceled: int
    deleted: int


@closed
class BatchUrls(TypedDict):
    """Paths of what can be done with the batch."""

    self: str
    cancel: str
    jobs: str


@closed
class BatchObject(TypedDict):
    """A batch: jobs that were accepted together. Each is a job like any other."""

    batchId: Uuid
    statusUrl: str
    requestId: str
    createdAt: Time
    total: int
    progress: BatchProgress
    done: Annotated[bool, Field(description="Whether every job has ended.")]
    jobIds: Annotated[list[str], Field(description="In the order of the request.")]
    rateLimit: RateLimitObject
    urls: BatchUrls


async def make_batch(request: web.Request) -> web.Response:
    context = request.app[app_keys.CONTEXT]
    caller = await admit_caller(request, "jobs:write")
    refuse_query(request.query)
    async with context.body_budget.hold(request):
        content = await read_json(request)
    body = parse_batch_body(content)
    key = await request_key(
        request.headers, workspace=caller.workspace, operation="batches", body=body
    )
    submit = Submit(caller, body.jobs, origin_of(request), key, batch_id=new_batch_id())
    accepted = await context.submissions.submit(submit)
    view = await context.batches.get(caller.workspace, accepted.id)
    response = json_answer(_described(request, view), status=202)
    response.headers["Location"] = f"{BATCHES_PATH}/{accepted.id}"
    if accepted.replayed:
        response.headers[REPLAYED] = "true"
    return response


async def get_batch(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:read")
    refuse_query(request.query)
    batches = request.app[app_keys.CONTEXT].batches
    view = await batches.get(caller.workspace, request.match_info["batch_id"])
    return json_answer(_described(request, view))


async def cancel_batch(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:cancel")
    refuse_query(request.query)
    batches = request.app[app_keys.CONTEXT].batches
    view = await batches.cancel(caller.workspace, request.match_info["batch_id"])
    return json_answer(_described(request, view))


def _described(request: web.Request, view: BatchView) -> BatchObject:
    batch, counts = view.batch, view.progress
    path = f"{BATCHES_PATH}/{batch.id}"
    return {
        "batchId": batch.id,
        "statusUrl": path,
        "requestId": batch.request_id,
        "createdAt": rfc3339(batch.created_at),
        "total": len(batch.jobs),
        "progress": {
            "queued": counts["queued"],
            "processing": counts["processing"],
            "succeeded": counts["succeeded"],
            "failed": counts["failed"],
            "canceled": counts["canceled"],
            "deleted": len(batch.jobs) - sum(counts.values()),
        },
        "done": counts["queued"] + counts["processing"] == 0,
        "jobIds": batch.jobs,
        "rateLimit": {"remainingThisMinute": rate_window(request).remaining},
        "urls": {
            "self": path,
            "cancel": f"{path}/cancel",
            "jobs": f"{JOBS_PATH}?batchId={batch.id}",
        },
    }


OPERATIONS = (
    Operation(
        method="POST",
        path=BATCHES_PATH,
        handler=make_batch,
        name="makeBatch",
        tag="Batches",
        summary="Submit up to 100 jobs together",
        description="All of them are accepted, or none is. Sources are named by `imageKey` or "
        "`sourceGenerationId`. The batch costs one request of the rate limit.",
        scope="jobs:write",
        headers=IdempotencyHeaders,
        body=BatchBody,
        body_example={
            "jobs": [
                {"mode": "style", "imageKey": "img_0h2M4pXv7TqWc9LrJ8Ks", "prompt": "on marble"},
                {"mode": "style", "imageKey": "img_0h2M4pXv7TqWc9LrJ8Ks", "prompt": "at dusk"},
            ]
        },
        replies={
            202: Reply(
                "The accepted batch.",
                BatchObject,
                headers={
                    "Location": "The batch's address.",
                    REPLAYED: "`true` where it was accepted by an earlier request.",
                },
            )
        },
        errors=(*SUBMIT_ERRORS, "batch_not_found"),
    ),
    Operation(
        method="GET",
        path=BATCHES_PATH + "/{batch_id}",
        handler=get_batch,
        name="getBatch",
        tag="Batches",
        summary="Read a batch's progress",
        scope="jobs:read",
        path_model=BatchPath,
        replies={200: Reply("The batch.", BatchObject)},
        errors=("batch_not_found",),
    ),
    Operation(
        method="POST",
        path=BATCHES_PATH + "/{batch_id}/cancel",
        handler=cancel_batch,
        name="cancelBatch",
        tag="Batches",
        summary="Cancel every job of a batch that has not ended",
        scope="jobs:cancel",
        path_model=BatchPath,
        replies={200: Reply("The batch.", BatchObject)},
        errors=("batch_not_found",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
