"""/api/v1/batches: make one, read its progress, cancel it."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from imagerift_core.ids import new_batch_id
from pydantic import Field

from imagerift_api.batches.schemas import BatchBody, BatchPath
from imagerift_api.batches.service import BatchView
from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.http.operations import Operation, add_operations
from imagerift_api.http.shapes import AnswerBody, Time, Uuid
from imagerift_api.jobs.job_object import JOBS_PATH
from imagerift_api.jobs.schemas import RateLimitObject
from imagerift_api.jobs.submissions import Submit
from imagerift_api.jobs.submit_routes import SUBMIT_ERRORS, origin_of

BATCHES_PATH = "/api/v1/batches"


class BatchProgress(AnswerBody):
    """How many of the jobs have each status."""

    queued: int
    processing: int
    succeeded: int
    failed: int
    canceled: int
    deleted: int


class BatchUrls(AnswerBody):
    """Paths of what can be done with the batch."""

    itself: str = Field(alias="self")
    cancel: str
    jobs: str


class BatchObject(AnswerBody):
    """A batch: jobs that were accepted together. Each is a job like any other."""

    batch_id: Uuid
    status_url: str
    request_id: str
    created_at: Time
    total: int
    progress: BatchProgress
    done: Annotated[bool, Field(description="Whether every job has ended.")]
    job_ids: Annotated[list[str], Field(description="In the order of the request.")]
    rate_limit: RateLimitObject
    urls: BatchUrls


async def make_batch(call: Call, headers: IdempotencyHeaders, body: BatchBody) -> Answer:
    workspace = call.caller.workspace
    key = await request_key(headers, workspace=workspace, operation="batches", body=body)
    submit = Submit(call.caller, body.jobs, origin_of(call.request), key, batch_id=new_batch_id())
    accepted = await call.context.submissions.submit(submit)
    view = await call.context.batches.get(workspace, accepted.id)
    shown = {"Location": f"{BATCHES_PATH}/{accepted.id}"}
    if accepted.replayed:
        shown[REPLAYED] = "true"
    return Answer(_described(call, view), headers=shown)


async def get_batch(call: Call, path: BatchPath) -> BatchObject:
    return _described(call, await call.context.batches.get(call.caller.workspace, path.batch_id))


async def cancel_batch(call: Call, path: BatchPath) -> BatchObject:
    batches = call.context.batches
    return _described(call, await batches.cancel(call.caller.workspace, path.batch_id))


def _described(call: Call, view: BatchView) -> BatchObject:
    batch, counts = view.batch, view.progress
    path = f"{BATCHES_PATH}/{batch.id}"
    return BatchObject(
        batch_id=batch.id,
        status_url=path,
        request_id=batch.request_id,
        created_at=batch.created_at,
        total=len(batch.jobs),
        progress=BatchProgress(
            queued=counts["queued"],
            processing=counts["processing"],
            succeeded=counts["succeeded"],
            failed=counts["failed"],
            canceled=counts["canceled"],
            deleted=len(batch.jobs) - sum(counts.values()),
        ),
        done=counts["queued"] + counts["processing"] == 0,
        job_ids=batch.jobs,
        rate_limit=RateLimitObject(remaining_this_minute=call.rate_window.remaining),
        urls=BatchUrls(
            itself=path, cancel=f"{path}/cancel", jobs=f"{JOBS_PATH}?batchId={batch.id}"
        ),
    )


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
        access="either",
        scope="jobs:write",
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
        access="either",
        scope="jobs:read",
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
        access="either",
        scope="jobs:cancel",
        replies={200: Reply("The batch.", BatchObject)},
        errors=("batch_not_found",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
