"""/api/v1/batches: make one, read its progress, cancel it."""

from __future__ import annotations

from imagerift_core.ids import new_batch_id

from imagerift_api.batches.schemas import BATCHES_PATH, BatchBody, BatchObject, BatchPath
from imagerift_api.batches.service import BATCHES, BatchView
from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.http.operations import Operation
from imagerift_api.jobs.submissions import SUBMISSIONS, Submit
from imagerift_api.jobs.submit_routes import SUBMIT_ERRORS, origin_of


async def make_batch(call: Call, headers: IdempotencyHeaders, body: BatchBody) -> Answer:
    workspace = call.caller.workspace
    key = await request_key(headers, workspace=workspace, operation="batches", body=body)
    submit = Submit(call.caller, body.jobs, origin_of(call), key, batch_id=new_batch_id())
    accepted = await call.app[SUBMISSIONS].submit(submit)
    view = await call.app[BATCHES].get(workspace, accepted.id)
    shown = {"Location": f"{BATCHES_PATH}/{accepted.id}"}
    if accepted.replayed:
        shown[REPLAYED] = "true"
    return Answer(_shown(call, view), headers=shown)


async def get_batch(call: Call, path: BatchPath) -> BatchObject:
    return _shown(call, await call.app[BATCHES].get(call.caller.workspace, path.batch_id))


async def cancel_batch(call: Call, path: BatchPath) -> BatchObject:
    return _shown(call, await call.app[BATCHES].cancel(call.caller.workspace, path.batch_id))


def _shown(call: Call, view: BatchView) -> BatchObject:
    remaining = call.rate_window.remaining
    return BatchObject.of(view.batch, view.progress, remaining_this_minute=remaining)


# A hundred of the longest prompts in JSON's longest spelling, and their other fields.
_MAX_BATCH_BYTES = 8 * 1024 * 1024

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
        max_body_bytes=_MAX_BATCH_BYTES,
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
